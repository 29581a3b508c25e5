-- How many of each country's medicines among the top 100 are biologics: Japan against every other country counted.
with counts as (
    select
        cast({{ regexp_part('reference_period', '((?:19|20)[0-9][0-9])') }} as int) as year,
        {{ regexp_part('population', 'top-100 medicines of (.*) origin') }} as origin,
        max(case when metric = 'count_top100_origin' then value_stated end) as n_products,
        max(case when metric = 'count_top100_origin_biologic' then value_stated end) as n_biologics,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from {{ ref('stg_claim') }}
    where metric in ('count_top100_origin', 'count_top100_origin_biologic')
    group by
        cast({{ regexp_part('reference_period', '((?:19|20)[0-9][0-9])') }} as int),
        {{ regexp_part('population', 'top-100 medicines of (.*) origin') }}
),

complete as (
    select *
    from counts
    where n_products > 0 and n_biologics is not null and origin is not null
),

japan as (
    select *
    from complete
    where origin = 'Japanese'
)

select
    claims.claim_id,
    'top100_opir_iqvia' as definition_id,
    -- Few products: counts are shown and no percentages.
    complete.origin || ' origin, of ' || cast(cast(complete.n_products as int) as string) || ' products' as label,
    cast(complete.year as string) as period_label,
    complete.n_biologics as figure,
    'count' as figure_unit,
    cast(sign(
        complete.n_biologics / nullif(complete.n_products, 0) - japan.n_biologics / nullif(japan.n_products, 0)
    ) as double) as value_low,
    cast(sign(
        complete.n_biologics / nullif(complete.n_products, 0) - japan.n_biologics / nullif(japan.n_products, 0)
    ) as double) as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'study' as evidence_grade,
    false as is_context,
    false as is_after,
    'derived' as data_status,
    complete.source_codes,
    complete.edition_ids,
    complete.origin,
    complete.n_products,
    complete.n_biologics,
    japan.n_products as japan_products,
    japan.n_biologics as japan_biologics
from {{ ref('int_seed_claim') }} as claims
cross join complete
inner join japan
    on japan.year = complete.year
where claims.test_kind = 'origin_rank' and complete.origin <> 'Japanese'
