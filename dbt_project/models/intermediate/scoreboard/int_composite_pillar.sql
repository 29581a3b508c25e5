-- Treated indicators on one scale (1 to 100), and their means by pillar under every weighting scheme and mean.
with treated as (
    select
        indicator_id,
        country_iso3,
        pillar,
        direction,
        treated_value as value
    from {{ ref('int_composite_treatment') }}
),

on_one_scale as (
    {{ scaled('treated', ['indicator_id']) }}
),

weighted as (
    select
        weights.scheme_id,
        on_one_scale.country_iso3,
        on_one_scale.pillar,
        on_one_scale.minmax_1_100 as value,
        weights.weight
    from on_one_scale
    inner join {{ source('vocabulary', 'indicator_weight') }} as weights
        on weights.item_kind = 'indicator'
        and weights.item_id = on_one_scale.indicator_id
)

select
    weighted.scheme_id,
    weighted.country_iso3,
    weighted.pillar,
    pillar_weights.weight as weight,
    {% for method in ['arithmetic', 'geometric', 'harmonic'] -%}
    {{ weighted_mean(method, 'weighted.value', 'weighted.weight') }} as {{ method }}_score{{ ',' if not loop.last }}
    {% endfor %}
from weighted
inner join {{ source('vocabulary', 'indicator_weight') }} as pillar_weights
    on pillar_weights.item_kind = 'pillar'
    and pillar_weights.item_id = weighted.pillar
    and pillar_weights.scheme_id = weighted.scheme_id
group by weighted.scheme_id, weighted.country_iso3, weighted.pillar, pillar_weights.weight
