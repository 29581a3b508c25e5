-- Diagnostics apart from medicines: Japan's production of in vitro diagnostics, agents given to patients for diagnosis in
-- health insurance, trade in reagents where a country's report is at hand, and what no public series at hand measures.
{% set unmeasured = [
    ['diagnostics_by_originator', 'Sales of in vitro diagnostics by country of the developer', 'no_public_series'],
    ['diagnostics_approvals', 'Approvals of in vitro diagnostics by nationality of the maker', 'not_at_hand'],
] -%}

{%- set baskets = ['diagnostic_reagents', 'heading_3002_with_reagents'] %}
with in_vitro as (
    select
        country_iso3,
        category_scheme,
        period_start,
        period_end,
        period_basis,
        value,
        status,
        source_code,
        edition_id
    from {{ ref('stg_production_observation') }}
    where category_scheme = 'jsccm_2' and category_code = '74' and measure = 'production'
),

all_medicines as (
    select
        country_iso3,
        category_scheme,
        period_start,
        period_end,
        value,
        source_code
    from {{ ref('stg_production_observation') }}
    where category_scheme = 'jsccm_2' and category_code = '_T' and measure = 'production'
),

production as (
    select
        in_vitro.country_iso3,
        cast(extract(year from in_vitro.period_start) as int) as year,
        in_vitro.period_basis,
        in_vitro.value,
        all_medicines.value as all_value,
        {{ worse_status(['in_vitro.status', "'derived'"]) }} as data_status,
        in_vitro.source_code as source_codes,
        in_vitro.edition_id as edition_ids
    from in_vitro
    left join all_medicines
        on all_medicines.source_code = in_vitro.source_code
        and all_medicines.country_iso3 = in_vitro.country_iso3
        and all_medicines.period_start = in_vitro.period_start
        and all_medicines.period_end = in_vitro.period_end
),

insurance as (
    select
        market_iso3 as country_iso3,
        fiscal_year as year,
        sum(case when class_code in ('721', '722', '729') then sales_jpy end) as value,
        sum(sales_jpy) as all_value,
        {{ worst_status('status') }} as data_status,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from {{ ref('int_market_sales') }}
    where scope_id = 'ndb_injection'
    group by market_iso3, fiscal_year
),

trade as (
    select
        basket_id,
        basket_title,
        country_iso3,
        year,
        export_usd,
        import_usd,
        reason_code,
        data_status,
        source_codes,
        edition_ids
    from {{ ref('mart_trade_balance') }}
    where basket_id in ('{{ baskets | join("', '") }}')
),

reported_baskets as (
    select distinct basket_id
    from trade
    where country_iso3 = 'JPN'
),

statement as (
    select
        max(source_code) as source_codes,
        max(edition_id) as edition_ids
    from {{ ref('stg_claim') }}
    where claim_id = 'meti_2021_diagnostics_competitiveness'
    having max(source_code) is not null
),

items as (
    select
        'in_vitro_diagnostics_production' as item_id,
        'Production of in vitro diagnostics (体外診断用医薬品), final products' as item_title,
        1 as position,
        country_iso3,
        year,
        period_basis,
        value as value_lcu,
        'JPY' as currency,
        value / nullif(all_value, 0) as share_of_total,
        cast(null as double) as export_usd,
        cast(null as double) as import_usd,
        false as is_break,
        case when value is null then 'not_published' end as reason_code,
        data_status,
        'diagnostics_apart' as definition_ids,
        source_codes,
        edition_ids
    from production
    union all
    select
        'in_vivo_diagnostics_insurance' as item_id,
        'Contrast media, function tests and other agents given to patients for diagnosis, injections in health insurance'
            as item_title,
        2 as position,
        country_iso3,
        year,
        'fiscal_year' as period_basis,
        value as value_lcu,
        'JPY' as currency,
        value / nullif(all_value, 0) as share_of_total,
        cast(null as double) as export_usd,
        cast(null as double) as import_usd,
        false as is_break,
        case when value is null then 'not_published' end as reason_code,
        data_status,
        'diagnostics_apart,ndb_injection' as definition_ids,
        source_codes,
        edition_ids
    from insurance
    union all
    select
        'trade_' || basket_id as item_id,
        basket_title as item_title,
        3 as position,
        country_iso3,
        year,
        'calendar_year' as period_basis,
        cast(null as double) as value_lcu,
        cast(null as string) as currency,
        cast(null as double) as share_of_total,
        export_usd,
        import_usd,
        year = 2022 as is_break,
        reason_code,
        data_status,
        'diagnostics_apart,hs2022_diagnostics_break' as definition_ids,
        source_codes,
        edition_ids
    from trade
    {% for basket in baskets -%}
    union all
    select
        'trade_{{ basket }}' as item_id,
        basket.title as item_title,
        3 as position,
        'JPN' as country_iso3,
        cast(null as int) as year,
        cast(null as string) as period_basis,
        cast(null as double) as value_lcu,
        cast(null as string) as currency,
        cast(null as double) as share_of_total,
        cast(null as double) as export_usd,
        cast(null as double) as import_usd,
        false as is_break,
        'no_trade_rows_at_hand' as reason_code,
        'reported' as data_status,
        'diagnostics_apart,hs2022_diagnostics_break' as definition_ids,
        statement.source_codes,
        statement.edition_ids
    from statement
    inner join {{ source('vocabulary', 'commodity_basket') }} as basket
        on basket.basket_id = '{{ basket }}'
    left join reported_baskets
        on reported_baskets.basket_id = basket.basket_id
    where reported_baskets.basket_id is null
    {% endfor -%}
    {% for item_id, title, reason in unmeasured -%}
    union all
    select
        '{{ item_id }}' as item_id,
        '{{ title }}' as item_title,
        {{ 3 + loop.index }} as position,
        'JPN' as country_iso3,
        cast(null as int) as year,
        cast(null as string) as period_basis,
        cast(null as double) as value_lcu,
        cast(null as string) as currency,
        cast(null as double) as share_of_total,
        cast(null as double) as export_usd,
        cast(null as double) as import_usd,
        false as is_break,
        '{{ reason }}' as reason_code,
        'reported' as data_status,
        'diagnostics_apart' as definition_ids,
        source_codes,
        edition_ids
    from statement
    {% endfor -%}
)

select
    cast(item_id as string) as item_id,
    cast(item_title as string) as item_title,
    cast(country_iso3 as string) as country_iso3,
    cast(year as int) as year,
    cast(period_basis as string) as period_basis,
    cast(case when coalesce(value_lcu, export_usd, import_usd) is null then 'not_measured' else 'measured' end as string)
        as measurement,
    cast(value_lcu as double) as value_lcu,
    cast(currency as string) as currency,
    cast(share_of_total as double) as share_of_total,
    cast(export_usd as double) as export_usd,
    cast(import_usd as double) as import_usd,
    cast((export_usd - import_usd) / nullif(export_usd + import_usd, 0) as double) as normalised_balance,
    is_break,
    cast(reason_code as string) as reason_code,
    cast(data_status as string) as data_status,
    cast(coalesce(year, 2021) as int) as last_data_year,
    cast(definition_ids as string) as definition_ids,
    cast(source_codes as string) as source_codes,
    cast(edition_ids as string) as edition_ids
from items
order by position nulls last, item_id nulls last, country_iso3 nulls last, year nulls last
