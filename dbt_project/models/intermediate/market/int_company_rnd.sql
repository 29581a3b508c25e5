-- R&D and revenue of companies by fiscal year, in the currency of the account. Two bases that are never mixed: annual
-- reports to the SEC as filed, and the Scoreboard's euros, which it converts at year-end rates.
-- Of a filer's year one source is taken: the SEC's data sets, else the report, else the company facts; R&D and revenue
-- always come from the same one.
with rnd as (
    select
        source_code,
        edition_id,
        case when source_code = 'jrc_scoreboard' then 'scoreboard' else 'annual_report' end as account_basis,
        entity_code,
        entity_name,
        entity_iso3,
        case when activity_code <> '_T' then activity_code end as sector,
        period_start,
        period_end,
        period_basis,
        currency,
        value as rnd_value,
        note,
        series_break,
        status
    from {{ ref('stg_rnd_observation') }}
    where
        entity_kind = 'company'
        and measure = 'rnd_expense'
        and (activity_code = '_T' or source_code = 'jrc_scoreboard')
        and unit = 'currency'
        and value is not null
        and source_code in ('jrc_scoreboard', 'sec_fsds', 'sec_ixbrl', 'sec_companyfacts')
),

revenue as (
    select
        source_code,
        seller_code,
        seller_name,
        period_start,
        period_end,
        currency,
        max(value) as revenue_value,
        max(case when series_break then 1 else 0 end) = 1 as series_break,
        {{ worst_status('status', at_least='reported') }} as status
    from {{ ref('stg_sales_observation') }}
    where row_kind = 'total' and market_iso3 = 'WLD' and price_basis = 'company_net' and product_code is null
        and class_code is null
    group by source_code, seller_code, seller_name, period_start, period_end, currency
),

paired as (
    select
        rnd.*,
        case rnd.source_code when 'sec_fsds' then 1 when 'sec_ixbrl' then 2 else 3 end as source_rank,
        cast(extract(year from rnd.period_end) as int)
        - case when extract(month from rnd.period_end) <= 6 then 1 else 0 end as fiscal_year,
        revenue.revenue_value,
        revenue.series_break as revenue_series_break,
        revenue.status as revenue_status
    from rnd
    left join revenue
        on revenue.source_code = rnd.source_code
        and revenue.period_start = rnd.period_start
        and revenue.period_end = rnd.period_end
        and revenue.currency = rnd.currency
        and (
            revenue.seller_code = rnd.entity_code
            or (revenue.seller_code is null and revenue.seller_name = rnd.entity_name)
        )
),

ranked as (
    select
        *,
        row_number() over (
            partition by account_basis, entity_code, fiscal_year
            order by case when revenue_value is null then 1 else 0 end, source_rank
        ) as choice
    from paired
)

select
    ranked.account_basis,
    ranked.entity_code as company_code,
    coalesce(company.name_en, ranked.entity_name) as company_name,
    company.company_id,
    coalesce(company.hq_iso3, ranked.entity_iso3) as headquarters_iso3,
    ranked.sector,
    ranked.fiscal_year,
    ranked.period_start,
    ranked.period_end,
    ranked.period_basis,
    ranked.currency,
    ranked.rnd_value,
    ranked.revenue_value,
    case
        when ranked.note like '%ResearchAndDevelopmentExpenseExcludingAcquiredInProcessCost%' then 'excluded'
        else 'not_known'
    end as acquired_in_process_rnd,
    coalesce(ranked.series_break, false) or coalesce(ranked.revenue_series_break, false) as series_break,
    {{ worse_status(["ranked.status", "ranked.revenue_status"]) }} as input_status,
    ranked.source_code,
    ranked.edition_id
from ranked
left join {{ source('vocabulary', 'ranking_company') }} as company
    on (ranked.account_basis = 'annual_report' and company.cik = ranked.entity_code)
    or (ranked.account_basis = 'scoreboard' and company.jrc_name = ranked.entity_name)
where ranked.choice = 1
