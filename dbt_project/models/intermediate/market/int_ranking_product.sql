-- Products in the order of their revenue, by ranking (a rule applied to a year); partners' sales are brought together as
-- the rule says.
with sellers as (
    select
        revenue.*,
        rules.rollup_id,
        rules.compiler,
        rules.price_basis,
        rules.list_length,
        rules.lists_world,
        -- What the seller books in its own territory; its world figure where the territory is the world or not stated.
        coalesce(
            case seller.territory
                when 'USA' then revenue.united_states_usd
                when 'XUS' then revenue.elsewhere_usd
            end,
            revenue.revenue_usd
        ) as territory_usd
    from {{ ref('int_product_revenue') }} as revenue
    inner join {{ source('vocabulary', 'ranking_rule') }} as rules
        on rules.ranking_rule_id = revenue.ranking_rule_id
    left join {{ source('vocabulary', 'ranked_product_seller') }} as seller
        on seller.product_id = revenue.product_id
        and seller.company_id = revenue.company_id
),

products as (
    select
        ranking_rule_id,
        year,
        compiler,
        price_basis,
        rollup_id,
        list_length,
        lists_world,
        product_id,
        max(product_name) as product_name,
        {{ distinct_list('company_name') }} as sellers,
        count(distinct company_id) as n_sellers,
        case rollup_id
            when 'rollup_territories' then sum(territory_usd)
            when 'rollup_largest_seller' then max(revenue_usd)
            else sum(revenue_usd)
        end as revenue_usd,
        max(case when is_partial_region then 1 else 0 end) as has_partial_region,
        {{ worst_status('status') }} as status,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
    from sellers
    group by ranking_rule_id, year, compiler, price_basis, rollup_id, list_length, lists_world, product_id
),

-- Companies that book sales of the product and are not at hand.
missing as (
    select
        products.ranking_rule_id,
        products.year,
        products.product_id,
        {{ distinct_list('company.name_en') }} as missing_sellers,
        count(distinct seller.company_id) as n_missing
    from products
    inner join {{ source('vocabulary', 'ranked_product_seller') }} as seller
        on seller.product_id = products.product_id
        and seller.revenue_kind = 'product_sales'
        and products.year <= coalesce(seller.last_year, 9999)
    inner join {{ source('vocabulary', 'ranking_company') }} as company
        on company.company_id = seller.company_id
    left join {{ ref('int_product_revenue') }} as revenue
        on revenue.ranking_rule_id = products.ranking_rule_id
        and revenue.year = products.year
        and revenue.product_id = products.product_id
        and revenue.company_id = seller.company_id
    where revenue.company_id is null and not products.lists_world
    group by products.ranking_rule_id, products.year, products.product_id
)

select
    products.ranking_rule_id || '/' || cast(products.year as string) as ranking_id,
    products.ranking_rule_id,
    products.year,
    products.compiler,
    products.price_basis,
    products.rollup_id,
    products.list_length,
    products.lists_world,
    row_number() over (
        partition by products.ranking_rule_id, products.year order by products.revenue_usd desc, products.product_id
    ) as product_rank,
    products.product_id,
    products.product_name,
    products.sellers,
    products.n_sellers,
    missing.missing_sellers,
    coalesce(missing.n_missing, 0) as n_missing_sellers,
    products.has_partial_region = 1 or coalesce(missing.n_missing, 0) > 0 as is_partial,
    products.revenue_usd,
    known.substance_id,
    known.substance_name,
    known.modality,
    products.status,
    products.source_codes,
    products.edition_ids
from products
left join missing
    on missing.ranking_rule_id = products.ranking_rule_id
    and missing.year = products.year
    and missing.product_id = products.product_id
left join {{ source('vocabulary', 'ranked_product') }} as known
    on known.product_id = products.product_id
where products.revenue_usd > 0
