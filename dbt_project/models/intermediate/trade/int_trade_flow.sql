-- Flows by partner of the one report that is taken for each basket, reporter, year and direction. World totals are
-- left out; the codes of a basket never contain one another.
select
    choice.basket_id,
    choice.year,
    choice.reporter_iso3,
    choice.flow,
    report.partner_iso3,
    choice.publisher,
    choice.hs_revision,
    report.hs_code,
    choice.is_usable,
    report.value_usd,
    report.data_status,
    report.source_codes,
    report.edition_ids
from {{ ref('int_trade_choice') }} as choice
inner join {{ source('vocabulary', 'commodity_basket_code') }} as member
    on member.basket_id = choice.basket_id
    and member.hs_revision = choice.hs_revision
inner join {{ ref('int_trade_report') }} as report
    on report.publisher = choice.publisher
    and report.hs_revision = choice.hs_revision
    and report.is_revision_assumed = choice.is_revision_assumed
    and report.is_reconciled = choice.is_reconciled
    and report.reporter_iso3 = choice.reporter_iso3
    and report.year = choice.year
    and report.flow = choice.flow
    and report.hs_code = member.hs_code
where choice.choice = 1 and report.partner_iso3 <> 'WLD'
