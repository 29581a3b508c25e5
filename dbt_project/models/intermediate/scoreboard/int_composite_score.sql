-- The composite index of the ranked countries: one row per weighting scheme, method and country.
{%- set methods = [
    ['pillar_geometric', 'arithmetic', 'geometric'],
    ['arithmetic', 'arithmetic', 'arithmetic'],
    ['geometric', 'geometric', 'geometric'],
    ['harmonic', 'harmonic', 'harmonic'],
] %}
with pillars as (
    select * from {{ ref('int_composite_pillar') }}
),

means as (
    {% for method, within, across in methods %}
    select
        scheme_id,
        '{{ method }}' as method,
        country_iso3,
        {{ weighted_mean(across, within ~ '_score', 'weight') }} as score,
        {% for pillar in ['inputs', 'capability', 'outputs', 'outcomes'] -%}
        max(case when pillar = '{{ pillar }}' then {{ within }}_score end) as {{ pillar }}_score{{ ',' if not loop.last }}
        {% endfor %}
    from pillars
    group by scheme_id, country_iso3
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

compared as (
    select
        scheme_id,
        country_iso3,
        pillar,
        weight,
        arithmetic_score as value
    from pillars
),

pairwise as (
    {{ outranking('compared', ['scheme_id'], 'country_iso3', 'pillar') }}
),

together as (
    select * from means
    union all
    select
        means.scheme_id,
        'copeland' as method,
        means.country_iso3,
        cast(coalesce(beaten.score, 0) as double) as score,
        means.inputs_score,
        means.capability_score,
        means.outputs_score,
        means.outcomes_score
    from means
    left join (
        select
            scheme_id,
            country_iso3,
            {{ copeland('outranking_share') }} as score
        from pairwise
        group by scheme_id, country_iso3
    ) as beaten
        on beaten.scheme_id = means.scheme_id
        and beaten.country_iso3 = means.country_iso3
    where means.method = 'arithmetic'
)

select
    *,
    rank() over (partition by scheme_id, method order by score desc) as rank_best_first,
    count(*) over (partition by scheme_id, method) as n_ranked
from together
