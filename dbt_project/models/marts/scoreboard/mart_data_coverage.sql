{#- One entry per canonical table: what its indicator is, which year a row is about, which country it speaks of. -#}
{%- set tables = [
    ['sales_observation', 'price_basis', 'extract(year from period_start)', 'market_iso3'],
    ['product_identity', 'list_name', 'extract(year from listed_on)', 'market_iso3'],
    ['rnd_observation', 'measure', 'extract(year from period_start)',
        "case when entity_kind = 'country' then entity_code end"],
    ['production_observation', 'measure', 'extract(year from period_start)', 'country_iso3'],
    ['trade_flow', 'hs_code', 'extract(year from period_start)', 'reporter_iso3'],
    ['commodity_concordance', 'from_revision', 'extract(year from published_on)', 'cast(null as string)'],
    ['site_role', 'operation', 'extract(year from published_on)', 'country_iso3'],
    ['company_fact', 'metric', 'extract(year from coalesce(period_end, published_on))', 'hq_iso3'],
    ['deal', "'deal'", 'extract(year from coalesce(deal_on, published_on))', 'asset_iso3'],
    ['reference_rate', 'series_code', 'extract(year from period_start)',
        "case when area_kind = 'country' then area_code end"],
    ['trial', "coalesce(phase, 'no_phase')", 'extract(year from coalesce(start_on, published_on))',
        'cast(null as string)'],
    ['trial_site', "'trial_site'", 'extract(year from published_on)', 'country_iso3'],
    ['patent_count', "count_kind || ' ' || field_code", 'extract(year from period_start)',
        "case when entity_kind = 'country' then entity_code end"],
    ['company_identity', 'scheme', 'extract(year from published_on)', 'coalesce(headquarters_iso3, legal_address_iso3)'],
    ['area_code', 'kind', 'extract(year from published_on)', 'iso3'],
    ['claim', 'topic', 'extract(year from published_on)', 'cast(null as string)'],
    ['policy_event', 'event_kind', 'extract(year from event_on)', 'jurisdiction_iso3'],
] -%}
{%- set marts = [
    'mart_approvals_by_modality', 'mart_cdmo_capacity', 'mart_cdmo_concentration', 'mart_cdmo_deal',
    'mart_cdmo_landscape', 'mart_cdmo_market_projection', 'mart_company_rnd_intensity',
    'mart_competitiveness_scorecard', 'mart_composite_index', 'mart_composite_sensitivity',
    'mart_composite_uncertainty', 'mart_diagnostics', 'mart_export_cms', 'mart_import_dependency',
    'mart_japan_biologics_market', 'mart_launch_lag', 'mart_launch_lag_summary', 'mart_market_biologic_share',
    'mart_medicare_biologic', 'mart_mirror_gap', 'mart_overseas_lookup_product',
    'mart_overseas_manufacturing_share', 'mart_patent_rta', 'mart_policy_claim_check', 'mart_policy_timeline',
    'mart_regenerative_approval', 'mart_regenerative_cdmo_register', 'mart_regenerative_pipeline',
    'mart_regenerative_product', 'mart_revisions', 'mart_rnd_growth', 'mart_rnd_level', 'mart_sales_by_origin',
    'mart_supply_self_sufficiency', 'mart_top_product', 'mart_top_products_biologic_share',
    'mart_top_products_origin_share', 'mart_trade_balance', 'mart_trade_specialisation', 'mart_trial_share',
    'mart_white_biotechnology',
] -%}
with counted as (
    {% for table_name, indicator, year, country in tables -%}
    select
        source_code,
        '{{ table_name }}' as table_name,
        {{ indicator }} as indicator,
        count(*) as n_rows,
        min({{ year }}) as first_data_year,
        max({{ year }}) as last_data_year,
        count(distinct cast({{ country }} as string)) as n_countries,
        count(case when status = 'suppressed' then 1 end) as n_suppressed,
        count(case when status in ('estimated', 'imputed') then 1 end) as n_estimated,
        count(case when status = 'provisional' then 1 end) as n_provisional,
        count(case when status = 'derived' then 1 end) as n_derived,
        {{ worst_status('status', 'reported') }} as data_status,
        {{ distinct_list('edition_id') }} as edition_ids
    from {{ ref('stg_' ~ table_name) }}
    group by source_code, {{ indicator }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

editions as (
    select
        source_code,
        table_name,
        count(distinct edition_id) as n_editions,
        max(case when is_latest then published_on end) as published_on,
        sum(case when is_latest then rows_quarantined else 0 end) as n_rows_quarantined,
        bool_and(is_bundled) as is_bundled_only
    from {{ source('lake', 'edition') }}
    group by source_code, table_name
),

-- The newest day on which anything was obtained: age is counted to it, so that a rebuild gives the same ages.
newest as (
    select cast(max(ingested_at) as date) as as_of_date
    from {{ source('lake', 'edition') }}
),

used as (
    {% for mart in marts -%}
    select distinct '{{ mart }}' as mart, source_codes
    from {{ ref(mart) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

users as (
    select
        sources.source_code,
        {{ distinct_list('used.mart') }} as used_by_marts
    from {{ source('lake', 'source') }} as sources
    inner join used
        on ',' || used.source_codes || ',' like '%,' || sources.source_code || ',%'
    group by sources.source_code
)

select
    cast(sources.source_code as string) as source_code,
    cast(coalesce(counted.table_name, 'none') as string) as table_name,
    cast(coalesce(counted.indicator, 'none') as string) as indicator,
    cast(sources.title as string) as title,
    cast(sources.publisher as string) as publisher,
    cast(sources.domain as string) as domain,
    cast(sources.kind as string) as kind,
    cast(coalesce(editions.n_editions, 0) as int) as n_editions,
    editions.published_on,
    cast(counted.first_data_year as int) as first_data_year,
    cast(counted.last_data_year as int) as last_data_year,
    cast(coalesce(counted.n_rows, 0) as bigint) as n_rows,
    cast(counted.n_countries as int) as n_countries,
    cast(cast(counted.n_suppressed as double) / nullif(counted.n_rows, 0) as double) as share_suppressed,
    cast(cast(counted.n_estimated as double) / nullif(counted.n_rows, 0) as double) as share_estimated,
    cast(cast(counted.n_provisional as double) / nullif(counted.n_rows, 0) as double) as share_provisional,
    cast(cast(counted.n_derived as double) / nullif(counted.n_rows, 0) as double) as share_derived,
    cast(cast(counted.n_rows - counted.n_suppressed as double) / nullif(counted.n_rows, 0) as double) as coverage_share,
    cast(coalesce(editions.n_rows_quarantined, 0) as bigint) as n_rows_quarantined,
    coalesce(editions.is_bundled_only, false) as is_bundled_only,
    newest.as_of_date,
    cast({{ days_between('editions.published_on', 'newest.as_of_date') }} as int) as age_days,
    cast(sources.freshness_days as int) as freshness_days,
    {{ days_between('editions.published_on', 'newest.as_of_date') }} > sources.freshness_days as is_stale,
    cast(sources.licence_name as string) as licence_name,
    cast(sources.redistribution as string) as redistribution,
    cast(users.used_by_marts as string) as used_by_marts,
    cast(counted.data_status as string) as data_status,
    cast(null as string) as definition_ids,
    cast(sources.source_code as string) as source_codes,
    cast(counted.edition_ids as string) as edition_ids
from {{ source('lake', 'source') }} as sources
cross join newest
left join counted
    on counted.source_code = sources.source_code
left join editions
    on editions.source_code = sources.source_code
    and editions.table_name = counted.table_name
left join users
    on users.source_code = sources.source_code
order by
    sources.domain nulls last,
    sources.source_code nulls last,
    counted.table_name nulls last,
    counted.indicator nulls last
