-- Reports of imports and exports as sums of calendar years, each publisher and revision apart. Months are added up;
-- codes without a named revision are read by the one in force in the year; a reconciled export is also the partner's
-- import. Re-exports and re-imports are part of exports and imports, and are not taken again.
with published as (
    select
        source_code || case
            when source_code = 'un_comtrade' and hs_revision = 'HS' and period_basis = 'month' then '_retired_monthly'
            when source_code = 'un_comtrade' and hs_revision = 'HS' then '_retired_annual'
            when source_code = 'un_comtrade' and period_basis = 'month' then '_monthly'
            when source_code = 'un_comtrade' then '_annual'
            when period_basis = 'month' then '_monthly'
            else ''
        end as publisher,
        cast(extract(year from period_start) as int) as year,
        reporter_iso3,
        partner_iso3,
        hs_revision as hs_revision_as_published,
        hs_code,
        flow,
        valuation,
        period_basis,
        period_start,
        value_usd,
        is_mirror as is_reconciled,
        cast({{ regexp_part('note', 'months_reported=([0-9]+)') }} as int) as months_stated,
        status,
        source_code,
        edition_id
    from {{ ref('stg_trade_flow') }}
    where flow in ('import', 'export') and value_usd is not null
),

both_sides as (
    select * from published
    union all
    select
        publisher,
        year,
        partner_iso3 as reporter_iso3,
        reporter_iso3 as partner_iso3,
        hs_revision_as_published,
        hs_code,
        'import' as flow,
        valuation,
        period_basis,
        period_start,
        value_usd,
        is_reconciled,
        months_stated,
        status,
        source_code,
        edition_id
    from published
    where is_reconciled and flow = 'export' and partner_iso3 <> 'WLD'
),

months as (
    select
        publisher,
        reporter_iso3,
        year,
        case
            when max(case when period_basis = 'month' then 1 else 0 end) = 1 then count(distinct period_start)
            else max(coalesce(months_stated, 12))
        end as n_months
    from both_sides
    group by publisher, reporter_iso3, year
),

by_year as (
    select
        publisher,
        year,
        reporter_iso3,
        partner_iso3,
        case
            when hs_revision_as_published <> 'HS' then hs_revision_as_published
            when year >= 2022 then 'HS2022'
            when year >= 2017 then 'HS2017'
            when year >= 2012 then 'HS2012'
            else 'HS2007'
        end as hs_revision,
        hs_revision_as_published = 'HS' as is_revision_assumed,
        hs_code,
        flow,
        is_reconciled,
        sum(value_usd) as value_usd,
        {{ distinct_list('valuation') }} as valuations,
        {{ worst_status('status', at_least='reported') }} as data_status,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from both_sides
    group by
        publisher, year, reporter_iso3, partner_iso3, hs_revision_as_published, hs_code, flow, is_reconciled
)

select
    by_year.publisher,
    by_year.year,
    by_year.reporter_iso3,
    by_year.partner_iso3,
    by_year.hs_revision,
    by_year.is_revision_assumed,
    by_year.hs_code,
    by_year.flow,
    by_year.is_reconciled,
    by_year.value_usd,
    by_year.valuations,
    cast(months.n_months as int) as n_months,
    by_year.data_status,
    by_year.source_codes,
    by_year.edition_ids
from by_year
inner join months
    on months.publisher = by_year.publisher
    and months.reporter_iso3 = by_year.reporter_iso3
    and months.year = by_year.year
