with companies as (
    select
        'company' as row_level,
        account_basis,
        company_code,
        company_name,
        headquarters_iso3,
        sector,
        fiscal_year,
        period_start,
        period_end,
        period_basis,
        currency,
        rnd_value,
        revenue_value,
        acquired_in_process_rnd,
        series_break,
        1 as n_companies,
        case when revenue_value > 0 then 1 else 0 end as n_companies_with_revenue,
        case when revenue_value > 0 then rnd_value end as rnd_with_revenue,
        input_status,
        source_code,
        edition_id
    from {{ ref('int_company_rnd') }}
),

-- Only the Scoreboard has enough companies to speak of countries, and only its own sector of medicine companies counts:
-- contract manufacturers stand there with their groups' other trades.
countries as (
    select
        'headquarters' as row_level,
        account_basis,
        headquarters_iso3 as company_code,
        cast(null as string) as company_name,
        headquarters_iso3,
        sector,
        fiscal_year,
        min(period_start) as period_start,
        max(period_end) as period_end,
        max(period_basis) as period_basis,
        currency,
        sum(rnd_value) as rnd_value,
        sum(revenue_value) as revenue_value,
        'not_known' as acquired_in_process_rnd,
        cast(null as boolean) as series_break,
        count(*) as n_companies,
        sum(n_companies_with_revenue) as n_companies_with_revenue,
        sum(rnd_with_revenue) as rnd_with_revenue,
        {{ worst_status('input_status') }} as input_status,
        {{ distinct_list('source_code') }} as source_code,
        {{ distinct_list('edition_id') }} as edition_id
    from companies
    where
        account_basis = 'scoreboard'
        and headquarters_iso3 is not null
        and sector = 'Pharmaceuticals & Biotechnology'
    group by account_basis, headquarters_iso3, sector, fiscal_year, currency
),

rows_of_mart as (
    select * from companies
    union all
    select * from countries
)

select
    cast(rows_of_mart.row_level as string) as row_level,
    cast(rows_of_mart.account_basis as string) as account_basis,
    cast(rows_of_mart.company_code as string) as company_code,
    cast(coalesce(rows_of_mart.company_name, country.name_en) as string) as company_name,
    cast(rows_of_mart.headquarters_iso3 as string) as headquarters_iso3,
    cast(rows_of_mart.sector as string) as sector,
    cast(rows_of_mart.fiscal_year as int) as fiscal_year,
    rows_of_mart.period_start,
    rows_of_mart.period_end,
    cast(rows_of_mart.period_basis as string) as period_basis,
    cast(rows_of_mart.currency as string) as currency,
    cast(case rows_of_mart.account_basis when 'scoreboard' then 'publisher_year_end' else 'as_filed' end as string)
        as fx_basis,
    cast(rows_of_mart.rnd_value as double) as rnd_lcu,
    cast(rows_of_mart.revenue_value as double) as revenue_lcu,
    cast(case when rows_of_mart.account_basis = 'annual_report' then
        rows_of_mart.rnd_value / case when rows_of_mart.currency = 'USD' then 1.0 else fx.lcu_per_usd end
    end as double) as rnd_usd,
    cast(case when rows_of_mart.account_basis = 'annual_report' then
        rows_of_mart.revenue_value / case when rows_of_mart.currency = 'USD' then 1.0 else fx.lcu_per_usd end
    end as double) as revenue_usd,
    cast(case when rows_of_mart.account_basis = 'scoreboard' then rows_of_mart.rnd_value end as double) as rnd_eur,
    cast(case when rows_of_mart.account_basis = 'scoreboard' then rows_of_mart.revenue_value end as double)
        as revenue_eur,
    cast(rows_of_mart.rnd_with_revenue / nullif(rows_of_mart.revenue_value, 0) as double) as rnd_intensity_ratio,
    cast(rank() over (
        partition by rows_of_mart.row_level, rows_of_mart.account_basis, rows_of_mart.fiscal_year
        order by rows_of_mart.rnd_value desc
    ) as bigint) as rnd_rank,
    cast(rows_of_mart.acquired_in_process_rnd as string) as acquired_in_process_rnd,
    rows_of_mart.series_break,
    cast(case
        when rows_of_mart.revenue_value is null then 'revenue_missing'
        when rows_of_mart.revenue_value <= 0 then 'no_revenue'
    end as string) as reason_code,
    cast(rows_of_mart.n_companies as bigint) as n_companies,
    cast(rows_of_mart.n_companies_with_revenue as bigint) as n_companies_with_revenue,
    cast(rows_of_mart.rnd_with_revenue / nullif(rows_of_mart.rnd_value, 0) as double) as coverage_share,
    cast({{ worse_status(["rows_of_mart.input_status", "'derived'"]) }} as string) as data_status,
    cast(max(rows_of_mart.fiscal_year) over (partition by rows_of_mart.account_basis) as int) as last_data_year,
    cast(case rows_of_mart.account_basis
        when 'scoreboard' then 'accounts_scoreboard,lens_headquarters'
        else 'accounts_sec_filings,fx_period_average,lens_headquarters'
    end as string) as definition_ids,
    cast({{ merge_lists(['rows_of_mart.source_code', "case when rows_of_mart.currency <> 'USD' and rows_of_mart.account_basis = 'annual_report' then fx.source_code end"]) }} as string) as source_codes,
    cast({{ merge_lists(['rows_of_mart.edition_id', "case when rows_of_mart.currency <> 'USD' and rows_of_mart.account_basis = 'annual_report' then fx.edition_id end"]) }} as string) as edition_ids
from rows_of_mart
left join {{ source('vocabulary', 'country') }} as country
    on rows_of_mart.row_level = 'headquarters'
    and country.iso3 = rows_of_mart.headquarters_iso3
left join {{ ref('int_fx') }} as fx
    on rows_of_mart.account_basis = 'annual_report'
    and fx.currency = rows_of_mart.currency
    and fx.period_start = rows_of_mart.period_start
    and fx.period_end = rows_of_mart.period_end
order by
    rows_of_mart.row_level desc, rows_of_mart.account_basis, rows_of_mart.fiscal_year desc,
    rows_of_mart.rnd_value desc, rows_of_mart.company_code
