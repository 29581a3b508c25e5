{%- set methods = ['pillar_geometric', 'arithmetic', 'geometric', 'harmonic', 'copeland'] -%}
with schemes as (
    select
        scheme_id,
        {{ distinct_list('author') }} as weights_author
    from {{ source('vocabulary', 'indicator_weight') }}
    group by scheme_id
),

methods as (
    {% for method in methods -%}
    select
        '{{ method }}' as method,
        {{ loop.index }} as method_position
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    cast(entry.country_iso3 as string) as country_iso3,
    cast(country.name_en as string) as country_name_en,
    country.is_focus,
    cast({{ var('composite_year') }} as int) as year,
    cast(schemes.scheme_id as string) as scheme_id,
    cast(schemes.weights_author as string) as weights_author,
    true as is_illustrative_weighting,
    cast(methods.method as string) as method,
    methods.method = 'pillar_geometric' as is_headline_method,
    cast(scores.score as double) as score,
    cast(case methods.method when 'copeland' then 'countries' else 'index_1_100' end as string) as score_unit,
    cast(scores.rank_best_first as int) as rank_best_first,
    cast(scores.n_ranked as int) as n_countries,
    cast(scores.inputs_score as double) as inputs_score,
    cast(scores.capability_score as double) as capability_score,
    cast(scores.outputs_score as double) as outputs_score,
    cast(scores.outcomes_score as double) as outcomes_score,
    cast(entry.n_indicators as int) as n_indicators,
    cast(entry.n_pillars as int) as n_pillars,
    cast(entry.min_pillar_coverage as double) as min_pillar_coverage_share,
    cast(entry.coverage_share as double) as coverage_share,
    cast(coalesce(
        entry.reason_code, case when scores.score is null then 'no_score' end
    ) as string) as reason_code,
    cast({{ worse_status(['entry.data_status', "'derived'"]) }} as string) as data_status,
    cast(entry.last_data_year as int) as last_data_year,
    cast('composite_' || methods.method || ',illustrative_weighting,indicator_panel,indicator_selection,'
        || 'winsorised_skew_kurtosis' as string) as definition_ids,
    cast(entry.source_codes as string) as source_codes,
    cast(entry.edition_ids as string) as edition_ids
from {{ ref('int_composite_country') }} as entry
cross join schemes
cross join methods
left join {{ ref('int_composite_score') }} as scores
    on scores.country_iso3 = entry.country_iso3
    and scores.scheme_id = schemes.scheme_id
    and scores.method = methods.method
left join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = entry.country_iso3
order by
    schemes.scheme_id nulls last,
    methods.method_position nulls last,
    scores.rank_best_first nulls last,
    entry.country_iso3 nulls last
