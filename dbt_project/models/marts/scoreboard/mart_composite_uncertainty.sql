with simulated as (
    select
        item_id as country_iso3,
        {% for statistic in [
            'score', 'rank', 'rank_q05', 'rank_median', 'rank_q95', 'p_top_5', 'p_top_10', 'p_ahead_of_japan', 'n_runs'
        ] -%}
        max(case when statistic = '{{ statistic }}' then value end) as {{ statistic }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_composite_simulation') }}
    where row_kind = 'country'
    group by item_id
),

ranked as (
    select count(*) as n_ranked
    from simulated
)

select
    cast(entry.country_iso3 as string) as country_iso3,
    cast(country.name_en as string) as country_name_en,
    country.is_focus,
    cast({{ var('composite_year') }} as int) as year,
    cast('{{ var('composite_scheme') }}' as string) as scheme_id,
    true as is_illustrative_weighting,
    cast(simulated.rank as int) as rank_nominal,
    cast(simulated.rank_q05 as int) as rank_q05,
    cast(simulated.rank_median as int) as rank_median,
    cast(simulated.rank_q95 as int) as rank_q95,
    cast(simulated.rank_q95 - simulated.rank_q05 as int) as rank_interval_width,
    cast(case when simulated.rank is not null then ranked.n_ranked end as int) as n_countries,
    cast(simulated.p_top_5 as double) as p_top_5_share,
    cast(simulated.p_top_10 as double) as p_top_10_share,
    cast(case when entry.country_iso3 <> 'JPN' then simulated.p_ahead_of_japan end as double) as p_ahead_of_japan_share,
    cast(simulated.score as double) as score_nominal,
    cast(simulated.n_runs as int) as n_runs,
    cast(entry.coverage_share as double) as coverage_share,
    cast(entry.reason_code as string) as reason_code,
    cast({{ worse_status(['entry.data_status', "'estimated'"]) }} as string) as data_status,
    cast(entry.last_data_year as int) as last_data_year,
    cast('composite_pillar_geometric,illustrative_weighting,indicator_panel,indicator_selection,'
        || 'rank_interval_monte_carlo,winsorised_skew_kurtosis' as string) as definition_ids,
    cast(entry.source_codes as string) as source_codes,
    cast(entry.edition_ids as string) as edition_ids
from {{ ref('int_composite_country') }} as entry
cross join ranked
left join simulated
    on simulated.country_iso3 = entry.country_iso3
left join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = entry.country_iso3
order by
    simulated.rank nulls last,
    entry.country_iso3 nulls last
