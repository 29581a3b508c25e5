-- Countries of the panel and whether the composite index ranks them: enough indicators in every pillar that has any.
with panel as (
    select distinct country_iso3
    from {{ ref('int_indicator_observation') }}
    where is_in_panel
),

pillars as (
    select
        pillar,
        count(*) as n_indicators
    from {{ ref('int_indicator_selection') }}
    where is_selected
    group by pillar
),

coverage as (
    select
        panel.country_iso3,
        pillars.pillar,
        cast(count(latest.value) as double) / pillars.n_indicators as pillar_coverage,
        count(latest.value) as n_values,
        pillars.n_indicators,
        max(latest.year) as last_data_year,
        {{ worst_status('latest.data_status', 'derived') }} as data_status,
        {{ distinct_list('latest.source_codes') }} as source_codes,
        {{ distinct_list('latest.edition_ids') }} as edition_ids
    from panel
    cross join pillars
    left join {{ ref('int_indicator_selection') }} as selection
        on selection.pillar = pillars.pillar
        and selection.is_selected
    left join {{ ref('int_indicator_latest') }} as latest
        on latest.indicator_id = selection.indicator_id
        and latest.country_iso3 = panel.country_iso3
    group by panel.country_iso3, pillars.pillar, pillars.n_indicators
),

countries as (
    select
        country_iso3,
        min(pillar_coverage) as min_pillar_coverage,
        cast(sum(n_values) as double) / sum(n_indicators) as coverage_share,
        count(*) as n_pillars,
        sum(n_indicators) as n_indicators,
        max(last_data_year) as last_data_year,
        {{ worst_status('data_status', 'derived') }} as data_status,
        {{ distinct_list('source_codes') }} as source_codes,
        {{ distinct_list('edition_ids') }} as edition_ids
    from coverage
    group by country_iso3
),

eligible as (
    select count(*) as n_eligible
    from countries
    where min_pillar_coverage >= {{ var('composite_min_pillar_coverage') }}
)

select
    countries.country_iso3,
    countries.min_pillar_coverage,
    countries.coverage_share,
    countries.n_pillars,
    countries.n_indicators,
    countries.last_data_year,
    countries.data_status,
    {{ merge_lists(['countries.source_codes']) }} as source_codes,
    {{ merge_lists(['countries.edition_ids']) }} as edition_ids,
    eligible.n_eligible,
    case
        when countries.min_pillar_coverage < {{ var('composite_min_pillar_coverage') }} then 'pillar_coverage_below_minimum'
        when eligible.n_eligible < {{ var('composite_min_countries') }} then 'too_few_countries'
    end as reason_code
from countries
cross join eligible
