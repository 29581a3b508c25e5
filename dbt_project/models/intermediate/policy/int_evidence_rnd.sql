-- Real growth of pharmaceutical R&D of the countries that a statement speaks of. The window of the statement is the last
-- fixed one that ends before its year; the window after it tells whether the statement still holds.
{% set threshold = var('direction_threshold') %}
with windows as (
    {% for first, last in var('growth_windows') -%}
    select {{ first }} as first_year, {{ last }} as last_year
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

ranked as (
    select
        claims.claim_id,
        windows.first_year,
        windows.last_year,
        row_number() over (
            partition by claims.claim_id order by windows.last_year desc, windows.first_year desc
        ) as recency
    from {{ ref('int_seed_claim') }} as claims
    inner join windows
        on windows.last_year < claims.published_year
    where claims.test_kind = 'rnd_direction'
),

chosen as (
    select claim_id, first_year, last_year, false as is_after
    from ranked
    where recency = 1
    union all
    select
        ranked.claim_id,
        windows.first_year,
        windows.last_year,
        true as is_after
    from ranked
    inner join windows
        on windows.first_year = ranked.last_year
    where ranked.recency = 1
)

select
    claims.claim_id,
    'cagr_constant_national_prices' as definition_id,
    growth.country_name_en as label,
    cast(growth.first_year as string) || '-' || cast(growth.last_year as string) as period_label,
    growth.cagr_real as figure,
    'share_per_year' as figure_unit,
    cast(case
        when growth.cagr_real > {{ threshold }} then 1
        when growth.cagr_real < -{{ threshold }} then -1
        else 0
    end as double) as value_low,
    cast(case
        when growth.cagr_real > {{ threshold }} then 1
        when growth.cagr_real < -{{ threshold }} then -1
        else 0
    end as double) as value_high,
    growth.coverage_share,
    'other' as scope_match,
    'official_statistics' as evidence_grade,
    false as is_context,
    chosen.is_after,
    growth.data_status,
    growth.source_codes,
    growth.edition_ids,
    growth.country_iso3,
    growth.is_focus,
    chosen.first_year,
    chosen.last_year
from {{ ref('int_seed_claim') }} as claims
inner join chosen
    on chosen.claim_id = claims.claim_id
inner join {{ ref('mart_rnd_growth') }} as growth
    on growth.first_year = chosen.first_year
    and growth.last_year = chosen.last_year
    and growth.window_id <> 'last_five'
    and growth.is_headline_series
    and growth.criteria = 'main_activity'
    and growth.activity_code = 'C21'
    and ',' || claims.country_iso3s || ',' like '%,' || growth.country_iso3 || ',%'
where growth.is_comparable
