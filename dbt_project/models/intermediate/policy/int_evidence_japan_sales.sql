-- Growth of the sales of biologics in Japan under every rule set, over the comparable years of the scope that has most.
{% set threshold = var('direction_threshold') %}
with totals as (
    select
        scope_id,
        ruleset_id,
        is_headline_ruleset,
        fiscal_year,
        sales_jpy,
        share_sales,
        data_status,
        source_codes,
        edition_ids,
        min(fiscal_year) over (partition by scope_id, ruleset_id) as first_year,
        max(fiscal_year) over (partition by scope_id, ruleset_id) as last_year
    from {{ ref('mart_market_biologic_share') }}
    where row_level = 'biologics_total' and is_comparable
),

ends as (
    select
        scope_id,
        ruleset_id,
        is_headline_ruleset,
        first_year,
        last_year,
        max(case when fiscal_year = first_year then sales_jpy end) as sales_first,
        max(case when fiscal_year = last_year then sales_jpy end) as sales_last,
        {{ worst_status('data_status') }} as data_status,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
    from totals
    group by scope_id, ruleset_id, is_headline_ruleset, first_year, last_year
),

growth as (
    select
        *,
        power(sales_last / nullif(sales_first, 0), 1.0 / nullif(last_year - first_year, 0)) - 1 as growth_per_year
    from ends
    where last_year > first_year
)

select
    claims.claim_id,
    growth.scope_id as definition_id,
    growth.ruleset_id as label,
    'FY' || cast(growth.first_year as string) || '-FY' || cast(growth.last_year as string) as period_label,
    growth.growth_per_year as figure,
    'share_per_year' as figure_unit,
    cast(case
        when growth.growth_per_year > {{ threshold }} then 1
        when growth.growth_per_year < -{{ threshold }} then -1
        else 0
    end as double) as value_low,
    cast(case
        when growth.growth_per_year > {{ threshold }} then 1
        when growth.growth_per_year < -{{ threshold }} then -1
        else 0
    end as double) as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'official_statistics' as evidence_grade,
    false as is_context,
    false as is_after,
    growth.data_status,
    growth.source_codes,
    growth.edition_ids,
    growth.is_headline_ruleset,
    growth.sales_first,
    growth.sales_last,
    growth.first_year,
    growth.last_year
from {{ ref('int_seed_claim') }} as claims
cross join growth
where claims.test_kind = 'japan_sales_direction'
