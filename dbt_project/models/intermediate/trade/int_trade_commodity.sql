-- Exports and imports by commodity code of each basket, from usable reports only, in the codes of the oldest revision
-- that a usable report of the year has. A newer code that does not lie wholly within one older code of the basket
-- keeps its own revision and is marked.
with reports as (
    select *
    from {{ ref('int_trade_choice') }}
    where choice = 1 and is_usable
),

common as (
    select basket_id, year, min(hs_revision) as common_revision
    from reports
    group by basket_id, year
),

by_code as (
    select
        reports.basket_id,
        reports.year,
        reports.reporter_iso3,
        reports.flow,
        reports.hs_revision,
        common.common_revision,
        total.hs_code,
        total.total_usd
    from reports
    inner join common
        on common.basket_id = reports.basket_id
        and common.year = reports.year
    inner join {{ source('vocabulary', 'commodity_basket_code') }} as member
        on member.basket_id = reports.basket_id
        and member.hs_revision = reports.hs_revision
    inner join {{ ref('int_trade_total') }} as total
        on total.publisher = reports.publisher
        and total.hs_revision = reports.hs_revision
        and total.is_revision_assumed = reports.is_revision_assumed
        and total.is_reconciled = reports.is_reconciled
        and total.reporter_iso3 = reports.reporter_iso3
        and total.year = reports.year
        and total.flow = reports.flow
        and total.hs_code = member.hs_code
),

converted as (
    select
        by_code.*,
        case
            when by_code.hs_revision = by_code.common_revision or by_code.hs_code = 'TOTAL' then by_code.hs_code
            else older_member.hs_code
        end as older_code
    from by_code
    left join {{ ref('int_commodity_conversion') }} as conversion
        on conversion.from_revision = by_code.hs_revision
        and conversion.from_code = by_code.hs_code
        and conversion.to_revision = by_code.common_revision
    left join {{ source('vocabulary', 'commodity_basket_code') }} as older_member
        on older_member.basket_id = by_code.basket_id
        and older_member.hs_revision = conversion.to_revision
        and older_member.hs_code = conversion.to_code
)

select
    basket_id,
    year,
    reporter_iso3 as country_iso3,
    flow,
    case when older_code is null then hs_revision else common_revision end as commodity_revision,
    coalesce(older_code, hs_code) as commodity_code,
    older_code is not null as is_convertible,
    sum(total_usd) as value_usd
from converted
group by
    basket_id,
    year,
    reporter_iso3,
    flow,
    case when older_code is null then hs_revision else common_revision end,
    coalesce(older_code, hs_code),
    older_code is not null
