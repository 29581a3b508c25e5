with factors as (
    {% for factor, title in [
        ['imputation', 'How gaps are filled'],
        ['winsorisation', 'How many steps of winsorisation are permitted'],
        ['normalisation', 'On which scale indicators are put'],
        ['weights', 'Weights, up to a quarter to either side'],
        ['aggregation', 'Which means are taken'],
        ['drop_one', 'Which indicator is left out'],
    ] -%}
    select
        '{{ factor }}' as factor,
        '{{ title }}' as factor_title
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

simulated as (
    select
        item_id as factor,
        {% for statistic in ['first_order', 'total_order', 'total_order_margin', 'n_runs'] -%}
        max(case when statistic = '{{ statistic }}' then value end) as {{ statistic }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_composite_simulation') }}
    where row_kind = 'factor'
    group by item_id
),

-- What the whole panel rests on.
lineage as (
    select
        sum(case when reason_code is null then 1 else 0 end) as n_ranked,
        avg(case when reason_code is null then coverage_share end) as coverage_share,
        max(last_data_year) as last_data_year,
        {{ worst_status('data_status', 'estimated') }} as data_status,
        {{ distinct_list('source_codes') }} as source_codes,
        {{ distinct_list('edition_ids') }} as edition_ids
    from {{ ref('int_composite_country') }}
)

select
    cast(factors.factor as string) as factor,
    cast(factors.factor_title as string) as factor_title,
    cast({{ var('composite_year') }} as int) as year,
    cast('{{ var('composite_scheme') }}' as string) as scheme_id,
    true as is_illustrative_weighting,
    cast(simulated.total_order as double) as sobol_total_order,
    cast(simulated.total_order_margin as double) as sobol_total_order_margin,
    cast(simulated.first_order as double) as sobol_first_order,
    cast(simulated.n_runs as int) as n_runs,
    cast(lineage.n_ranked as int) as n_countries,
    cast(lineage.coverage_share as double) as coverage_share,
    cast(case when simulated.factor is null then 'too_few_countries' end as string) as reason_code,
    cast(lineage.data_status as string) as data_status,
    cast(lineage.last_data_year as int) as last_data_year,
    cast('illustrative_weighting,indicator_selection,rank_interval_monte_carlo,sobol_rank_shift' as string)
        as definition_ids,
    cast({{ merge_lists(['lineage.source_codes']) }} as string) as source_codes,
    cast({{ merge_lists(['lineage.edition_ids']) }} as string) as edition_ids
from factors
cross join lineage
left join simulated
    on simulated.factor = factors.factor
-- As of a day before anything was published there is no panel, and nothing to be sensitive.
where lineage.source_codes is not null
order by
    simulated.total_order desc nulls last,
    factors.factor nulls last
