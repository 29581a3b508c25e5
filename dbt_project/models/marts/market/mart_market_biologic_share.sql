with classed as (
    select * from {{ ref('int_market_product_class') }}
),

parts as (
    select
        market_iso3,
        fiscal_year,
        period_start,
        period_end,
        scope_id,
        price_basis,
        ruleset_id,
        is_headline_ruleset,
        case when is_biologic then 'modality' else 'rest' end as row_level,
        part as modality,
        sum(sales_jpy) as sales_jpy,
        count(distinct product_code) as n_products,
        count(distinct substance_id) as n_substances,
        count(case when row_kind = 'product' then 1 end) as n_observations,
        count(case when row_kind = 'product' and sales_jpy is null then 1 end) as n_observations_suppressed,
        {{ worst_status('status') }} as data_status,
        {{ distinct_list('source_code') }} as sales_source_codes,
        {{ distinct_list('edition_id') }} as sales_edition_ids,
        {{ distinct_list('list_source_code') }} as list_source_codes,
        {{ distinct_list('list_edition_id') }} as list_edition_ids
    from classed
    group by
        market_iso3, fiscal_year, period_start, period_end, scope_id, price_basis, ruleset_id, is_headline_ruleset,
        case when is_biologic then 'modality' else 'rest' end, part
),

totals as (
    select
        market_iso3,
        fiscal_year,
        period_start,
        period_end,
        scope_id,
        price_basis,
        ruleset_id,
        is_headline_ruleset,
        'biologics_total' as row_level,
        'all' as modality,
        sum(sales_jpy) as sales_jpy,
        count(distinct product_code) as n_products,
        count(distinct substance_id) as n_substances,
        count(*) as n_observations,
        count(case when sales_jpy is null then 1 end) as n_observations_suppressed,
        {{ worst_status('status') }} as data_status,
        {{ distinct_list('source_code') }} as sales_source_codes,
        {{ distinct_list('edition_id') }} as sales_edition_ids,
        {{ distinct_list('list_source_code') }} as list_source_codes,
        {{ distinct_list('list_edition_id') }} as list_edition_ids
    from classed
    where is_biologic
    group by
        market_iso3, fiscal_year, period_start, period_end, scope_id, price_basis, ruleset_id, is_headline_ruleset
),

market as (
    select
        market_iso3,
        fiscal_year,
        scope_id,
        price_basis,
        ruleset_id,
        sum(sales_jpy) as market_total_jpy,
        coalesce(sum(case when part = 'unclassified' then sales_jpy end), 0) as unclassified_jpy
    from classed
    group by market_iso3, fiscal_year, scope_id, price_basis, ruleset_id
),

rows_of_mart as (
    select * from totals
    union all
    select * from parts
)

select
    cast(rows_of_mart.market_iso3 as string) as market_iso3,
    cast(rows_of_mart.fiscal_year as int) as fiscal_year,
    rows_of_mart.period_start,
    rows_of_mart.period_end,
    cast('fiscal_year' as string) as period_basis,
    cast(rows_of_mart.scope_id as string) as scope_id,
    cast(scope.sentence as string) as scope_note,
    cast(rows_of_mart.price_basis as string) as price_basis,
    cast(rows_of_mart.ruleset_id as string) as ruleset_id,
    rows_of_mart.is_headline_ruleset,
    cast(rows_of_mart.row_level as string) as row_level,
    cast(rows_of_mart.modality as string) as modality,
    cast(case rows_of_mart.modality
        when 'all' then 'All biologics under the rule set'
        when 'not_biologic' then 'Not a biologic under the rule set'
        when 'unclassified' then 'Marked as recombinant, modality not reviewed'
        else modality.title
    end as string) as modality_title,
    cast(rows_of_mart.sales_jpy as double) as sales_jpy,
    cast(rows_of_mart.sales_jpy / nullif(fx.lcu_per_usd, 0) as double) as sales_usd,
    cast(fx.lcu_per_usd as double) as fx_jpy_per_usd,
    cast(market.market_total_jpy as double) as market_total_jpy,
    cast(rows_of_mart.sales_jpy / nullif(market.market_total_jpy, 0) as double) as share_sales,
    cast(case
        when rows_of_mart.row_level = 'biologics_total'
            then (rows_of_mart.sales_jpy + market.unclassified_jpy) / nullif(market.market_total_jpy, 0)
    end as double) as share_sales_high,
    cast(rows_of_mart.n_products as bigint) as n_products,
    cast(rows_of_mart.n_substances as bigint) as n_substances,
    cast(rows_of_mart.n_observations as bigint) as n_observations,
    cast(rows_of_mart.n_observations_suppressed as bigint) as n_observations_suppressed,
    cast(
        cast(rows_of_mart.n_observations - rows_of_mart.n_observations_suppressed as double)
        / nullif(rows_of_mart.n_observations, 0) as double
    ) as coverage_share,
    caveat.effect is null as is_comparable,
    cast(caveat.reason_code as string) as reason_code,
    cast(rows_of_mart.data_status as string) as data_status,
    cast(max(rows_of_mart.fiscal_year) over (
        partition by rows_of_mart.market_iso3, rows_of_mart.scope_id, rows_of_mart.price_basis
    ) as int) as last_data_year,
    cast({{ merge_lists(["rows_of_mart.scope_id", "'fx_period_average'"]) }} as string) as definition_ids,
    cast({{ merge_lists(['rows_of_mart.sales_source_codes', 'rows_of_mart.list_source_codes', 'fx.source_code']) }}
        as string) as source_codes,
    cast({{ merge_lists(['rows_of_mart.sales_edition_ids', 'rows_of_mart.list_edition_ids', 'fx.edition_id']) }}
        as string) as edition_ids
from rows_of_mart
inner join market
    on market.market_iso3 = rows_of_mart.market_iso3
    and market.fiscal_year = rows_of_mart.fiscal_year
    and market.scope_id = rows_of_mart.scope_id
    and market.price_basis = rows_of_mart.price_basis
    and market.ruleset_id = rows_of_mart.ruleset_id
left join {{ source('vocabulary', 'definition') }} as scope
    on scope.definition_id = rows_of_mart.scope_id
left join {{ source('vocabulary', 'modality') }} as modality
    on modality.modality = rows_of_mart.modality
left join {{ ref('int_fx') }} as fx
    on fx.currency = 'JPY'
    and fx.period_start = rows_of_mart.period_start
    and fx.period_end = rows_of_mart.period_end
left join {{ source('vocabulary', 'series_caveat') }} as caveat
    on caveat.source_code = rows_of_mart.sales_source_codes
    and caveat.entity_code = rows_of_mart.market_iso3
    and caveat.series_code = 'sales'
    and caveat.effect = 'not_comparable'
    and rows_of_mart.fiscal_year between caveat.first_year and coalesce(caveat.last_year, 9999)
order by
    rows_of_mart.market_iso3 nulls last,
    rows_of_mart.scope_id nulls last,
    rows_of_mart.is_headline_ruleset desc nulls last,
    rows_of_mart.ruleset_id nulls last,
    rows_of_mart.fiscal_year nulls last,
    case rows_of_mart.row_level when 'biologics_total' then 1 when 'modality' then 2 else 3 end nulls last,
    rows_of_mart.sales_jpy desc nulls last,
    rows_of_mart.modality nulls last
