with steps as (
    {% for step in range(var('projection_years') + 1) -%}
    select {{ step }} as step
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

scenarios as (
    select
        *,
        case
            when is_seed_claim then 'meti'
            else lower({{ regexp_part('claimant', '^([A-Za-z0-9]+)') }})
        end
        || '_' || {{ format_decimals('base_jpy / 1e9', 0) }} || 'bn_'
        || case when is_base_year_assumed then 'base_' when is_fiscal_year then 'fy' else '' end
        || cast(base_year as string) as scenario_id
    from {{ ref('int_projection_scenario') }}
),

reported as (
    select
        year,
        sum(revenue_jpy) as reported_listed_revenue_jpy,
        count(distinct company_id) as n_companies,
        {{ ordered_list('company_name', 'revenue_jpy desc', ', ') }} as companies,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids,
        {{ merge_lists([distinct_list('fx_source_codes')]) }} as fx_source_codes,
        {{ merge_lists([distinct_list('fx_edition_ids')]) }} as fx_edition_ids
    from {{ ref('int_company_fact') }}
    where is_in_listed_set
    group by year
)

select
    cast(scenarios.scenario_id as string) as scenario_id,
    cast(scenarios.claimant as string) as claimant,
    cast(scenarios.claim_id as string) as size_claim_id,
    cast(scenarios.growth_claim_id as string) as growth_claim_id,
    cast(scenarios.statement_en as string) as statement_en,
    cast(scenarios.base_year as int) as base_year,
    scenarios.is_base_year_assumed,
    cast(scenarios.base_year + steps.step as int) as year,
    cast(steps.step as int) as years_from_base,
    steps.step <= coalesce(scenarios.stated_years, scenarios.stated_last_year - scenarios.base_year)
        as is_within_stated_horizon,
    cast(scenarios.base_jpy as double) as base_jpy,
    cast(scenarios.growth_share_per_year as double) as growth_share_per_year,
    cast(scenarios.base_jpy * power(1 + scenarios.growth_share_per_year, steps.step) as double) as market_jpy,
    cast(reported.reported_listed_revenue_jpy as double) as reported_listed_revenue_jpy,
    cast(coalesce(reported.n_companies, 0) as int) as n_companies,
    cast(reported.companies as string) as companies,
    cast(
        reported.reported_listed_revenue_jpy
        / nullif(scenarios.base_jpy * power(1 + scenarios.growth_share_per_year, steps.step), 0) as double
    ) as ratio_reported_to_path,
    cast('forecast' as string) as data_status,
    cast(max(reported.year) over (partition by scenarios.scenario_id) as int) as last_data_year,
    cast(case when reported.n_companies > 0
        then {{ merge_lists(['scenarios.scenario_id', "'arithmetic_of_claim'", "'fx_period_average'",
            "'listed_cdmo_perimeters'"]) }}
        else {{ merge_lists(['scenarios.scenario_id', "'arithmetic_of_claim'"]) }}
    end as string) as definition_ids,
    cast({{ merge_lists(['scenarios.source_code', 'reported.source_codes', 'reported.fx_source_codes']) }} as string)
        as source_codes,
    cast({{ merge_lists(['scenarios.edition_id', 'reported.edition_ids', 'reported.fx_edition_ids']) }} as string)
        as edition_ids
from scenarios
cross join steps
left join reported
    on reported.year = scenarios.base_year + steps.step
order by
    scenarios.is_seed_claim desc nulls last,
    scenarios.scenario_id nulls last,
    steps.step nulls last
