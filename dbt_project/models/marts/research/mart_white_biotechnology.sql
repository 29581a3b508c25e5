{%- set measured = [
    ['biotechnology_rnd_all_industries', 'Biotechnology R&D of business, all applications', 'biotechnology', false, 'status'],
    ['biotechnology_rnd_pharmaceuticals', 'Biotechnology R&D of the pharmaceutical industry (red biotechnology)',
        'pharmaceuticals', false, 'status'],
    ['biotechnology_rnd_outside_pharmaceuticals',
        'Biotechnology R&D outside the pharmaceutical industry: industrial, agricultural, environmental and services',
        'biotechnology - pharmaceuticals', true, 'status'],
    ['biotechnology_rnd_chemicals', 'Biotechnology R&D of the chemical industry without pharmaceuticals',
        'chemicals_with_pharmaceuticals - pharmaceuticals', true, 'status'],
    ['biotechnology_rnd_research_services', 'Biotechnology R&D of research and development services',
        'research_services', false, 'services_status'],
] -%}
{#- What the statement would need and no public series at hand gives, with the reason. -#}
{%- set unmeasured = [
    ['smart_cell_rnd', 'R&D on smart cells (cells designed to make a substance)', 'no_public_series'],
    ['smart_cell_products', 'Substances made by smart cells, by number or value of production', 'no_public_series'],
    ['industrial_biotechnology_production', 'Production value of bio-based chemicals, enzymes and materials',
        'no_public_series'],
    ['industrial_biotechnology_patents', 'Patent families in industrial biotechnology, by country', 'not_at_hand'],
    ['biotechnology_rnd_by_application', 'Biotechnology R&D by application (health, industry, agriculture, environment)',
        'series_discontinued'],
] -%}
with rnd as (
    select * from {{ ref('int_biotechnology_rnd') }}
),

items as (
    {% for item_id, title, expression, is_derived, standing in measured -%}
    select
        '{{ item_id }}' as item_id,
        '{{ title }}' as item_title,
        {{ loop.index }} as position,
        country_iso3,
        year,
        period_basis,
        currency,
        {{ expression }} as value_lcu,
        ({{ expression }}) / nullif(biotechnology, 0) as share_of_biotechnology_rnd,
        ({{ expression }}) / nullif(business_rnd, 0) as share_of_business_rnd,
        {{ 'true' if item_id in ('biotechnology_rnd_outside_pharmaceuticals', 'biotechnology_rnd_chemicals') else 'false' }}
            as is_upper_bound,
        case when {{ expression }} is null then 'not_published_by_the_survey' end as reason_code,
        {{ worse_status([standing, "'derived'" if is_derived else "'reported'"]) }} as data_status,
        source_codes,
        edition_ids
    from rnd
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

statement as (
    select
        max(source_code) as source_codes,
        max(edition_id) as edition_ids,
        max(cast(extract(year from published_on) as int)) as year
    from {{ ref('stg_claim') }}
    where topic = 'smart_cell' and is_seed_claim
),

gaps as (
    {% for item_id, title, reason in unmeasured -%}
    select
        '{{ item_id }}' as item_id,
        '{{ title }}' as item_title,
        {{ loop.index + 100 }} as position,
        'JPN' as country_iso3,
        cast(null as int) as year,
        cast(null as string) as period_basis,
        cast(null as string) as currency,
        cast(null as double) as value_lcu,
        cast(null as double) as share_of_biotechnology_rnd,
        cast(null as double) as share_of_business_rnd,
        false as is_upper_bound,
        '{{ reason }}' as reason_code,
        'reported' as data_status,
        source_codes,
        edition_ids
    from statement
    where source_codes is not null
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

rows_of_mart as (
    select * from items
    union all
    select * from gaps
)

select
    cast(rows_of_mart.item_id as string) as item_id,
    cast(rows_of_mart.item_title as string) as item_title,
    cast(rows_of_mart.country_iso3 as string) as country_iso3,
    cast(rows_of_mart.year as int) as year,
    cast(rows_of_mart.period_basis as string) as period_basis,
    cast(case when rows_of_mart.value_lcu is null then 'not_measured' else 'measured' end as string) as measurement,
    cast(rows_of_mart.value_lcu as double) as value_lcu,
    cast(rows_of_mart.currency as string) as currency,
    cast(rows_of_mart.value_lcu / ppp.ppp_lcu_per_usd as double) as value_usd_ppp,
    cast(rows_of_mart.share_of_biotechnology_rnd as double) as share_of_biotechnology_rnd,
    cast(rows_of_mart.share_of_business_rnd as double) as share_of_business_rnd,
    rows_of_mart.is_upper_bound,
    cast(rows_of_mart.reason_code as string) as reason_code,
    cast(rows_of_mart.data_status as string) as data_status,
    cast(coalesce(max(rows_of_mart.year) over (partition by rows_of_mart.country_iso3), 2021) as int) as last_data_year,
    cast({{ merge_lists([
        "case when rows_of_mart.value_lcu is not null then 'lens_territory' end",
        "case when rows_of_mart.value_lcu is not null then 'ppp_current' end", "'white_biotechnology_proxy'"
    ]) }} as string) as definition_ids,
    cast({{ merge_lists(['rows_of_mart.source_codes', 'case when rows_of_mart.value_lcu is not null then ppp.source_code end']) }}
        as string) as source_codes,
    cast({{ merge_lists(['rows_of_mart.edition_ids', 'case when rows_of_mart.value_lcu is not null then ppp.edition_id end']) }}
        as string) as edition_ids
from rows_of_mart
left join {{ ref('int_ppp') }} as ppp
    on ppp.country_iso3 = rows_of_mart.country_iso3
    and ppp.year = rows_of_mart.year
order by rows_of_mart.position nulls last, rows_of_mart.country_iso3 nulls last, rows_of_mart.year nulls last
