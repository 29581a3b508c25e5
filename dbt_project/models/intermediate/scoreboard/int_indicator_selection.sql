-- Which indicators enter the composite index, and why the others do not (definition indicator_selection).
with panel as (
    select count(distinct country_iso3) as n_panel
    from {{ ref('int_indicator_observation') }}
    where is_in_panel
),

recent as (
    select
        indicator_id,
        count(*) as n_values,
        sum(case when value = 0 then 1 else 0 end) as n_zero
    from {{ ref('int_indicator_latest') }}
    group by indicator_id
),

ever as (
    select
        indicator_id,
        max(year) as last_data_year
    from {{ ref('int_indicator_observation') }}
    where value is not null
    group by indicator_id
),

counted as (
    select
        indicator.indicator_id,
        indicator.pillar,
        indicator.position,
        panel.n_panel,
        coalesce(recent.n_values, 0) as n_values,
        cast(coalesce(recent.n_values, 0) as double) / nullif(panel.n_panel, 0) as coverage_share,
        cast(recent.n_zero as double) / nullif(recent.n_values, 0) as zero_share,
        ever.last_data_year,
        case
            when ever.last_data_year is null then 'no_data'
            when recent.n_values is null then 'too_old'
            when recent.n_values < {{ var('composite_min_country_share') }} * panel.n_panel then 'too_few_countries'
            when recent.n_zero > {{ var('composite_max_zero_share') }} * recent.n_values then 'too_many_zeros'
        end as reason_code
    from {{ source('vocabulary', 'indicator') }} as indicator
    cross join panel
    left join recent
        on recent.indicator_id = indicator.indicator_id
    left join ever
        on ever.indicator_id = indicator.indicator_id
),

pairs as (
    select
        later.indicator_id,
        earlier.indicator_id as earlier_id,
        earlier.position,
        abs(corr(later_value.value, earlier_value.value)) as correlation
    from counted as later
    inner join counted as earlier
        on earlier.pillar = later.pillar
        and earlier.position < later.position
        and earlier.reason_code is null
    inner join {{ ref('int_indicator_latest') }} as later_value
        on later_value.indicator_id = later.indicator_id
    inner join {{ ref('int_indicator_latest') }} as earlier_value
        on earlier_value.indicator_id = earlier.indicator_id
        and earlier_value.country_iso3 = later_value.country_iso3
    where later.reason_code is null
    group by later.indicator_id, earlier.indicator_id, earlier.position
),

collinear as (
    select
        indicator_id,
        {{ ordered_list('earlier_id', 'position', ',') }} as collinear_with
    from pairs
    -- A constant has no correlation, which some engines give as not a number.
    where not isnan(correlation) and correlation > {{ var('composite_max_correlation') }}
    group by indicator_id
)

select
    counted.indicator_id,
    counted.pillar,
    counted.position,
    counted.n_panel,
    counted.n_values,
    counted.coverage_share,
    counted.zero_share,
    counted.last_data_year,
    collinear.collinear_with,
    coalesce(counted.reason_code, case when collinear.indicator_id is not null then 'collinear_in_pillar' end)
        as reason_code,
    counted.reason_code is null and collinear.indicator_id is null as is_selected
from counted
left join collinear
    on collinear.indicator_id = counted.indicator_id
