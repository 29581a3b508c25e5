with observed as (
    select
        observation.*,
        indicator.direction
    from {{ ref('int_indicator_observation') }} as observation
    inner join {{ source('vocabulary', 'indicator') }} as indicator
        on indicator.indicator_id = observation.indicator_id
),

scored as (
    {{ scaled('observed', ['indicator_id', 'year']) }}
),

panel_coverage as (
    select
        indicator_id,
        year,
        sum(case when is_in_panel and value is not null then 1 else 0 end) as n_in_panel
    from observed
    group by indicator_id, year
)

select
    cast(scored.indicator_id as string) as indicator_id,
    cast(indicator.title as string) as indicator_title,
    cast(indicator.pillar as string) as pillar,
    cast(scored.country_iso3 as string) as country_iso3,
    cast(country.name_en as string) as country_name_en,
    country.is_focus,
    scored.is_in_panel,
    cast(scored.year as int) as year,
    scored.year = max(case when scored.value is not null then scored.year end) over (
        partition by scored.indicator_id, scored.country_iso3
    ) as is_latest_year,
    cast(scored.value as double) as value,
    cast(indicator.unit as string) as unit,
    cast(indicator.denominator as string) as denominator,
    cast(indicator.direction as int) as direction,
    scored.is_zero_by_absence,
    cast(scored.rank_best_first as int) as rank_best_first,
    cast(scored.n_values as int) as n_countries,
    cast(scored.z_score as double) as z_score,
    cast(scored.robust_z_score as double) as robust_z_score,
    cast(scored.minmax_0_100 as double) as minmax_0_100,
    cast(case
        when scored.value is null then coalesce(scored.reason_code, 'no_value')
        when scored.n_values < 2 then 'single_country'
        when scored.best_value = scored.worst_value then 'no_spread'
        when scored.median_deviation = 0 then 'no_median_spread'
    end as string) as reason_code,
    selection.is_selected as is_in_composite,
    cast(selection.reason_code as string) as selection_reason_code,
    cast(selection.coverage_share as double) as selection_coverage_share,
    cast(treatment.treated_value as double) as composite_value,
    cast(case when treatment.is_treated then treatment.action end as string) as treatment_action,
    cast(cast(panel_coverage.n_in_panel as double) / nullif(selection.n_panel, 0) as double) as coverage_share,
    cast(indicator.source_relation as string) as source_relation,
    cast(scored.data_status as string) as data_status,
    cast(max(case when scored.value is not null then scored.year end) over (
        partition by scored.indicator_id, scored.country_iso3
    ) as int) as last_data_year,
    cast('indicator_headline_scores,indicator_panel,indicator_selection,winsorised_skew_kurtosis' as string) as definition_ids,
    cast(scored.source_codes as string) as source_codes,
    cast(scored.edition_ids as string) as edition_ids
from scored
inner join {{ source('vocabulary', 'indicator') }} as indicator
    on indicator.indicator_id = scored.indicator_id
inner join {{ ref('int_indicator_selection') }} as selection
    on selection.indicator_id = scored.indicator_id
left join panel_coverage
    on panel_coverage.indicator_id = scored.indicator_id
    and panel_coverage.year = scored.year
left join {{ ref('int_composite_treatment') }} as treatment
    on treatment.indicator_id = scored.indicator_id
    and treatment.country_iso3 = scored.country_iso3
    and treatment.year = scored.year
left join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = scored.country_iso3
order by
    indicator.position nulls last,
    scored.year desc nulls last,
    scored.rank_best_first nulls last,
    scored.country_iso3 nulls last
