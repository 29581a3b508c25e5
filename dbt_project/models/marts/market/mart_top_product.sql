with rules as (
    select
        products.ranking_id,
        products.product_id,
        count(*) as n_rulesets,
        sum(case when rule.is_biologic then 1 else 0 end) as n_rulesets_biologic,
        sum(case when rule.is_biologic is null then 1 else 0 end) as n_rulesets_unclassified,
        {{ distinct_list('case when rule.is_biologic then rulesets.ruleset_id end') }} as biologic_under,
        {{ distinct_list('case when not rule.is_biologic then rulesets.ruleset_id end') }} as not_biologic_under,
        max(case when rulesets.is_headline and rule.is_biologic then 1 when rulesets.is_headline and not rule.is_biologic then 0 end)
            as headline_biologic
    from {{ ref('int_ranking_product') }} as products
    cross join {{ source('vocabulary', 'modality_ruleset') }} as rulesets
    left join {{ source('vocabulary', 'modality_rule') }} as rule
        on rule.ruleset_id = rulesets.ruleset_id
        and rule.modality = products.modality
    group by products.ranking_id, products.product_id
)

select
    cast(products.ranking_id as string) as ranking_id,
    cast(products.ranking_rule_id as string) as ranking_rule_id,
    cast(products.year as int) as year,
    cast(products.compiler as string) as compiler,
    cast(products.price_basis as string) as price_basis,
    cast(products.rollup_id as string) as rollup_id,
    cast(products.product_rank as bigint) as product_rank,
    cast(products.product_id as string) as product_id,
    cast(products.product_name as string) as product_name,
    cast(products.sellers as string) as sellers,
    cast(products.n_sellers as bigint) as n_sellers,
    cast(products.missing_sellers as string) as missing_sellers,
    products.is_partial,
    cast(products.substance_id as string) as substance_id,
    cast(products.substance_name as string) as substance_name,
    cast(products.modality as string) as modality,
    cast(modality.title as string) as modality_title,
    cast(products.revenue_usd as double) as revenue_usd,
    cast(products.revenue_usd / nullif(sum(products.revenue_usd) over (partition by products.ranking_id), 0) as double)
        as share_of_ranking_revenue,
    case rules.headline_biologic when 1 then true when 0 then false end as is_biologic_headline,
    cast(rules.n_rulesets as bigint) as n_rulesets,
    cast(rules.n_rulesets_biologic as bigint) as n_rulesets_biologic,
    rules.n_rulesets_biologic between 1 and rules.n_rulesets - rules.n_rulesets_unclassified - 1 as is_disputed,
    cast(rules.biologic_under as string) as biologic_under,
    cast(rules.not_biologic_under as string) as not_biologic_under,
    cast(coverage.n_products as bigint) as n_products,
    cast(coverage.n_companies as bigint) as n_companies,
    cast(coverage.n_large_companies as bigint) as n_large_companies,
    cast(coverage.n_large_companies_covered as bigint) as n_large_companies_covered,
    cast(coverage.sales_covered_share as double) as coverage_share,
    coverage.is_world_covered,
    cast(coverage.coverage_note as string) as coverage_note,
    cast(case when not coverage.is_world_covered then 'companies_missing' end as string) as reason_code,
    cast(products.status as string) as data_status,
    cast(max(products.year) over () as int) as last_data_year,
    cast({{ merge_lists(['products.ranking_rule_id', 'products.rollup_id', "'fx_period_average'",
        "'price_company_net'", "'large_companies_2022'"]) }} as string) as definition_ids,
    cast({{ merge_lists(['products.source_codes', 'coverage.source_codes']) }} as string) as source_codes,
    cast({{ merge_lists(['products.edition_ids', 'coverage.edition_ids']) }} as string) as edition_ids
from {{ ref('int_ranking_product') }} as products
inner join rules
    on rules.ranking_id = products.ranking_id
    and rules.product_id = products.product_id
inner join {{ ref('int_ranking_coverage') }} as coverage
    on coverage.ranking_id = products.ranking_id
left join {{ source('vocabulary', 'modality') }} as modality
    on modality.modality = products.modality
order by products.year desc, products.ranking_id, products.product_rank
