-- Overseas share of the antibodies sold in Japan, from the four figures of OPIR's study: total and domestic
-- weight, domestic and overseas value, each for the year that the study states. The study classed every product, so there is no unknown part.
with figures as (
    select
        metric,
        cast({{ regexp_part('reference_period', '((?:19|20)[0-9][0-9])') }} as int) as year,
        max(value_stated) as value_stated,
        max(source_code) as source_code,
        max(edition_id) as edition_id
    from {{ ref('stg_claim') }}
    where
        claim_kind = 'study_result'
        and topic = 'overseas_manufacturing'
        and metric in (
            'antibody_weight_total_kg', 'antibody_weight_domestic_kg', 'antibody_value_domestic',
            'antibody_value_overseas'
        )
    group by metric, cast({{ regexp_part('reference_period', '((?:19|20)[0-9][0-9])') }} as int)
),

pivoted as (
    select
        year,
        max(case when metric = 'antibody_weight_total_kg' then value_stated end) as weight_total_kg,
        max(case when metric = 'antibody_weight_domestic_kg' then value_stated end) as weight_domestic_kg,
        max(case when metric = 'antibody_value_domestic' then value_stated end) as value_domestic_jpy,
        max(case when metric = 'antibody_value_overseas' then value_stated end) as value_overseas_jpy,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from figures
    where year is not null
    group by year
)

select
    'weight' as measure,
    year,
    weight_total_kg as total,
    weight_total_kg - weight_domestic_kg as overseas,
    (weight_total_kg - weight_domestic_kg) / nullif(weight_total_kg, 0) as share_overseas,
    source_codes,
    edition_ids
from pivoted
where weight_total_kg is not null and weight_domestic_kg is not null
union all
select
    'value' as measure,
    year,
    value_domestic_jpy + value_overseas_jpy as total,
    value_overseas_jpy as overseas,
    value_overseas_jpy / nullif(value_domestic_jpy + value_overseas_jpy, 0) as share_overseas,
    source_codes,
    edition_ids
from pivoted
where value_domestic_jpy is not null and value_overseas_jpy is not null
