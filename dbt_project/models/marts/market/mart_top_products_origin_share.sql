-- Sums are made of decimals, which add up to the same whatever the order in which a join yields the rows.
with lengths as (
    select 10 as top_n
    union all select 50 as top_n
    union all select 100 as top_n
),

classed as (
    select
        products.ranking_id,
        products.ranking_rule_id,
        products.year,
        products.compiler,
        products.price_basis,
        products.rollup_id,
        lengths.top_n,
        rulesets.ruleset_id,
        rulesets.is_headline,
        origin.origin_basis,
        origin.country_iso3,
        case when rule.is_biologic then 'biologic' when not rule.is_biologic then 'not_biologic' else 'unclassified' end
            as nature,
        cast(origin.weight as decimal(38, 15)) as weight,
        cast(origin.weight * products.revenue_usd as decimal(38, 6)) as revenue_usd,
        products.status
    from {{ ref('int_ranking_product') }} as products
    inner join {{ ref('int_ranking_origin') }} as origin
        on origin.ranking_id = products.ranking_id
        and origin.product_id = products.product_id
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
        top_n,
        ruleset_id,
        is_headline,
        origin_basis,
        country_iso3,
        nature,
        sum(weight) as n_fractional,
        sum(revenue_usd) as revenue_usd,
        {{ worst_status('status') }} as data_status
    from classed
    group by
        ranking_id, ranking_rule_id, year, compiler, price_basis, rollup_id, top_n, ruleset_id, is_headline,
        origin_basis, country_iso3, nature
),

shared as (
    select
        ranking_id,
        ranking_rule_id,
        year,
        compiler,
        price_basis,
        rollup_id,
        top_n,
        ruleset_id,
        is_headline,
        origin_basis,
        country_iso3,
        nature,
        data_status,
        cast(n_fractional as double) as n_fractional,
        cast(revenue_usd as double) as revenue_usd,
        cast(sum(n_fractional) over (partition by ranking_id, top_n, ruleset_id, origin_basis) as double) as n_products,
        cast(sum(revenue_usd) over (partition by ranking_id, top_n, ruleset_id, origin_basis) as double)
            as list_revenue_usd,
        cast(sum(n_fractional) over (partition by ranking_id, top_n, ruleset_id, origin_basis, nature) as double)
            as n_nature,
        cast(sum(case when country_iso3 is not null then n_fractional else 0 end) over (
            partition by ranking_id, top_n, ruleset_id, origin_basis
        ) as double) as n_known
    from counted
)

select
    cast(shared.ranking_id as string) as ranking_id,
    cast(shared.ranking_rule_id as string) as ranking_rule_id,
    cast(shared.year as int) as year,
    cast(shared.compiler as string) as compiler,
    cast(shared.price_basis as string) as price_basis,
    cast(shared.rollup_id as string) as rollup_id,
    cast(shared.top_n as int) as top_n,
    cast(shared.origin_basis as string) as origin_basis,
    cast(shared.ruleset_id as string) as ruleset_id,
    shared.is_headline as is_headline_ruleset,
    cast(shared.nature as string) as nature,
    cast(coalesce(shared.country_iso3, 'unknown') as string) as origin_iso3,
    cast(coalesce(country.name_en, 'Not known') as string) as origin_country,
    cast(shared.n_fractional as double) as n_fractional,
    cast(shared.n_fractional / nullif(shared.n_products, 0) as double) as share_count,
    cast(shared.n_fractional / nullif(shared.n_nature, 0) as double) as share_of_nature,
    cast(shared.revenue_usd as double) as revenue_usd,
    cast(shared.revenue_usd / nullif(shared.list_revenue_usd, 0) as double) as share_sales,
    cast(round(shared.n_products) as bigint) as n_products,
    cast(shared.n_known / nullif(shared.n_products, 0) as double) as coverage_share,
    round(shared.n_products) = shared.top_n and coverage.is_world_covered as is_complete,
    cast(case
        when not coverage.is_world_covered then 'companies_missing'
        when round(shared.n_products) < shared.top_n then 'list_shorter_than_top_n'
    end as string) as reason_code,
    cast(coverage.coverage_note as string) as coverage_note,
    cast(shared.data_status as string) as data_status,
    cast(max(shared.year) over () as int) as last_data_year,
    cast({{ merge_lists(['shared.ranking_rule_id', 'shared.rollup_id', "'fx_period_average'", "'price_company_net'",
        "'origin_of_company_' || shared.origin_basis"]) }} as string) as definition_ids,
    cast(coverage.source_codes as string) as source_codes,
    cast(coverage.edition_ids as string) as edition_ids
from shared
inner join {{ ref('int_ranking_coverage') }} as coverage
    on coverage.ranking_id = shared.ranking_id
left join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = shared.country_iso3
order by
    shared.year desc, shared.ranking_id, shared.top_n, shared.origin_basis, shared.is_headline desc, shared.ruleset_id,
    shared.nature, shared.n_fractional desc, shared.country_iso3
