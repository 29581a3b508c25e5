with lengths as (
    select 10 as top_n
    union all select 50 as top_n
    union all select 100 as top_n
),

-- Rankings are crossed with rule sets first, so that an unclassified product is counted under every rule set.
classed as (
    select
        products.ranking_id,
        products.ranking_rule_id,
        products.year,
        products.compiler,
        products.price_basis,
        products.rollup_id,
        rulesets.ruleset_id,
        rulesets.is_headline,
        lengths.top_n,
        products.revenue_usd,
        rule.is_biologic,
        products.status
    from {{ ref('int_ranking_product') }} as products
    cross join {{ source('vocabulary', 'modality_ruleset') }} as rulesets
    cross join lengths
    left join {{ source('vocabulary', 'modality_rule') }} as rule
        on rule.ruleset_id = rulesets.ruleset_id
        and rule.modality = products.modality
    where products.product_rank <= lengths.top_n
),

counted as (
    select
        ranking_id,
        ranking_rule_id,
        year,
        compiler,
        price_basis,
        rollup_id,
        ruleset_id,
        is_headline,
        top_n,
        count(*) as n_products,
        sum(case when is_biologic then 1 else 0 end) as n_biologic,
        sum(case when not is_biologic then 1 else 0 end) as n_not_biologic,
        sum(case when is_biologic is null then 1 else 0 end) as n_unclassified,
        sum(revenue_usd) as revenue_usd,
        sum(case when is_biologic then revenue_usd else 0 end) as revenue_biologic_usd,
        sum(case when is_biologic is null then revenue_usd else 0 end) as revenue_unclassified_usd,
        {{ worst_status('status') }} as data_status
    from classed
    group by ranking_id, ranking_rule_id, year, compiler, price_basis, rollup_id, ruleset_id, is_headline, top_n
),

article as (
    select
        max(claim.value_stated) as n_biologic,
        {{ distinct_list('claim.source_code') }} as source_codes,
        {{ distinct_list('claim.edition_id') }} as edition_ids
    from {{ ref('int_seed_claim') }} as claim
    where claim.test_kind = 'count_top100'
),

study as (
    select
        cast({{ regexp_part('reference_period', '((?:19|20)[0-9][0-9])') }} as int) as year,
        max(value_stated) as n_biologic
    from {{ ref('stg_claim') }}
    where metric = 'count_top100_biologic' and claimant like '%OPIR%' and not is_seed_claim
    group by cast({{ regexp_part('reference_period', '((?:19|20)[0-9][0-9])') }} as int)
)

select
    cast(counted.ranking_id as string) as ranking_id,
    cast(counted.ranking_rule_id as string) as ranking_rule_id,
    cast(counted.year as int) as year,
    cast(counted.compiler as string) as compiler,
    cast(counted.price_basis as string) as price_basis,
    cast(counted.rollup_id as string) as rollup_id,
    cast(counted.top_n as int) as top_n,
    cast(counted.ruleset_id as string) as ruleset_id,
    counted.is_headline as is_headline_ruleset,
    cast(counted.n_products as bigint) as n_products,
    cast(counted.n_biologic as bigint) as n_biologic,
    cast(counted.n_not_biologic as bigint) as n_not_biologic,
    cast(counted.n_unclassified as bigint) as n_unclassified,
    cast(counted.n_biologic as bigint) as n_biologic_low,
    cast(counted.n_biologic + counted.n_unclassified as bigint) as n_biologic_high,
    cast(cast(counted.n_biologic as double) / nullif(counted.n_products, 0) as double) as share_count,
    cast(cast(counted.n_biologic + counted.n_unclassified as double) / nullif(counted.n_products, 0) as double)
        as share_count_high,
    cast(counted.revenue_usd as double) as revenue_usd,
    cast(counted.revenue_biologic_usd as double) as revenue_biologic_usd,
    cast(counted.revenue_biologic_usd / nullif(counted.revenue_usd, 0) as double) as share_sales,
    cast((counted.revenue_biologic_usd + counted.revenue_unclassified_usd) / nullif(counted.revenue_usd, 0) as double)
        as share_sales_high,
    counted.n_products = counted.top_n as is_list_full,
    counted.n_products = counted.top_n and coverage.is_world_covered as is_complete,
    cast(case
        when not coverage.is_world_covered then 'companies_missing'
        when counted.n_products < counted.top_n then 'list_shorter_than_top_n'
    end as string) as reason_code,
    cast(2019 as int) as claim_year,
    cast(article.n_biologic as int) as claimed_n_biologic_meti,
    cast(study_of_claim.n_biologic as int) as counted_n_biologic_opir,
    cast(study.n_biologic as int) as counted_n_biologic_opir_same_year,
    counted.top_n = 100 and counted.year = 2019 and counted.n_products = 100 and coverage.is_world_covered
        as is_comparable_with_claim,
    cast(coverage.n_companies as bigint) as n_companies,
    cast(coverage.sales_covered_share as double) as coverage_share,
    cast(coverage.coverage_note as string) as coverage_note,
    cast(counted.data_status as string) as data_status,
    cast(max(counted.year) over () as int) as last_data_year,
    cast({{ merge_lists(['counted.ranking_rule_id', 'counted.rollup_id',
        "'fx_period_average'", "'price_company_net'", "'large_companies_2022'", "'top100_as_stated'",
        "'top100_opir_iqvia'"]) }} as string) as definition_ids,
    cast({{ merge_lists(['coverage.source_codes', 'article.source_codes']) }} as string) as source_codes,
    cast({{ merge_lists(['coverage.edition_ids', 'article.edition_ids']) }} as string) as edition_ids
from counted
inner join {{ ref('int_ranking_coverage') }} as coverage
    on coverage.ranking_id = counted.ranking_id
cross join article
left join study as study_of_claim
    on study_of_claim.year = 2019
left join study
    on study.year = counted.year
order by
    counted.year desc, counted.ranking_id, counted.top_n, counted.is_headline desc, counted.ruleset_id
