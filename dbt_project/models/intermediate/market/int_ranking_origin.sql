-- Countries behind every product of a ranking, by basis; weights of a product and basis add up to one, what is not
-- known is a row without country. The main seller is the seller with the largest revenue in the ranking itself, so that
-- it belongs to the ranking's year; where it has no country, the vocabulary's.
with bases as (
    select 'originator' as origin_basis
    union all select 'parent_at_filing' as origin_basis
    union all select 'applicant' as origin_basis
    union all select 'main_seller' as origin_basis
),

largest_seller as (
    select
        ranking_rule_id,
        year,
        product_id,
        country_iso3
    from (
        select
            revenue.ranking_rule_id,
            revenue.year,
            revenue.product_id,
            company.hq_iso3 as country_iso3,
            row_number() over (
                partition by revenue.ranking_rule_id, revenue.year, revenue.product_id
                order by revenue.revenue_usd desc, revenue.company_id
            ) as place
        from {{ ref('int_product_revenue') }} as revenue
        left join {{ source('vocabulary', 'ranking_company') }} as company
            on company.company_id = revenue.company_id
    ) as sellers
    where place = 1
),

reviewed as (
    select
        substance_id,
        origin_basis,
        country_iso3,
        sum(weight) as weight
    from {{ source('vocabulary', 'product_originator') }}
    group by substance_id, origin_basis, country_iso3
),

known as (
    select
        products.ranking_id,
        products.product_id,
        bases.origin_basis,
        reviewed.country_iso3,
        reviewed.weight
    from {{ ref('int_ranking_product') }} as products
    cross join bases
    inner join reviewed
        on reviewed.substance_id = products.substance_id
        and reviewed.origin_basis = bases.origin_basis
    left join largest_seller
        on largest_seller.ranking_rule_id = products.ranking_rule_id
        and largest_seller.year = products.year
        and largest_seller.product_id = products.product_id
    where bases.origin_basis <> 'main_seller' or largest_seller.country_iso3 is null
    union all
    select
        products.ranking_id,
        products.product_id,
        'main_seller' as origin_basis,
        largest_seller.country_iso3,
        1.0 as weight
    from {{ ref('int_ranking_product') }} as products
    inner join largest_seller
        on largest_seller.ranking_rule_id = products.ranking_rule_id
        and largest_seller.year = products.year
        and largest_seller.product_id = products.product_id
    where largest_seller.country_iso3 is not null
)

select
    ranking_id,
    product_id,
    origin_basis,
    country_iso3,
    weight
from known
union all
select
    products.ranking_id,
    products.product_id,
    bases.origin_basis,
    cast(null as string) as country_iso3,
    1.0 - coalesce(sum(known.weight), 0.0) as weight
from {{ ref('int_ranking_product') }} as products
cross join bases
left join known
    on known.ranking_id = products.ranking_id
    and known.product_id = products.product_id
    and known.origin_basis = bases.origin_basis
group by products.ranking_id, products.product_id, bases.origin_basis
having 1.0 - coalesce(sum(known.weight), 0.0) > 1e-9
