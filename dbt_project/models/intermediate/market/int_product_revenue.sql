-- World revenue by ranking rule, year, product and seller, in dollars at the average rate of the seller's fiscal year.
-- Of a seller's year the first source of the rule is taken, so that a report and a data set made from it never add up.
-- A fiscal year counts for the calendar year in which most of it lies. The world is the seller's world figure, else the
-- sum of the United States and the rest of the world, else the one region stated (is_partial_region).
with observations as (
    select
        rules.ranking_rule_id,
        position(sales.source_code in rules.source_codes) as source_rank,
        cast(extract(year from sales.period_end) as int)
        - case when extract(month from sales.period_end) <= 6 then 1 else 0 end as year,
        coalesce(sales.seller_code, sales.seller_name) as seller_key,
        sales.seller_code,
        sales.seller_name,
        sales.product_name,
        lower(replace(replace(sales.product_name, ' ', ''), '-', '')) as product_key,
        sales.market_iso3,
        sales.period_start,
        sales.period_end,
        sales.currency,
        sales.value,
        sales.status,
        sales.source_code,
        sales.edition_id
    from {{ ref('stg_sales_observation') }} as sales
    inner join {{ source('vocabulary', 'ranking_rule') }} as rules
        on ',' || rules.source_codes || ',' like '%,' || sales.source_code || ',%'
        and rules.price_basis = sales.price_basis
        and (sales.class_scheme <> 'published_ranking' or sales.class_scheme is null
            or sales.class_code = rules.ranking_rule_id)
    where
        sales.row_kind = 'product'
        and sales.market_iso3 in ('WLD', 'USA', 'XUS')
        and sales.value is not null
),

first_source as (
    select
        ranking_rule_id,
        seller_key,
        year,
        min(source_rank) as source_rank
    from observations
    group by ranking_rule_id, seller_key, year
),

-- One row per name under which the seller reports the product.
named as (
    select
        observations.ranking_rule_id,
        observations.year,
        observations.seller_key,
        max(observations.seller_code) as seller_code,
        max(observations.seller_name) as seller_name,
        observations.product_key,
        max(observations.product_name) as product_name,
        observations.currency,
        observations.period_start,
        observations.period_end,
        sum(case when observations.market_iso3 = 'WLD' then observations.value end) as world,
        sum(case when observations.market_iso3 = 'USA' then observations.value end) as united_states,
        sum(case when observations.market_iso3 = 'XUS' then observations.value end) as elsewhere,
        {{ worst_status('observations.status') }} as status,
        {{ distinct_list('observations.source_code') }} as source_code,
        {{ distinct_list('observations.edition_id') }} as edition_id
    from observations
    inner join first_source
        on first_source.ranking_rule_id = observations.ranking_rule_id
        and first_source.seller_key = observations.seller_key
        and first_source.year = observations.year
        and first_source.source_rank = observations.source_rank
    group by
        observations.ranking_rule_id, observations.year, observations.seller_key, observations.product_key,
        observations.currency, observations.period_start, observations.period_end
),

converted as (
    select
        named.*,
        coalesce(product.product_id, named.product_key) as product_id,
        product.product_name as known_name,
        coalesce(product.is_medicine, true) as is_medicine,
        coalesce(by_code.company_id, by_name.company_id, lower(named.seller_name)) as company_id,
        coalesce(by_code.name_en, by_name.name_en, named.seller_name) as company_name,
        case when named.currency = 'USD' then 1.0 else fx.lcu_per_usd end as lcu_per_usd,
        case when named.currency <> 'USD' then fx.source_code end as fx_source_code,
        case when named.currency <> 'USD' then fx.edition_id end as fx_edition_id,
        coalesce(named.world, named.united_states + named.elsewhere, named.united_states, named.elsewhere)
            as world_or_part,
        named.world is null and (named.united_states is null or named.elsewhere is null) as is_partial_region
    from named
    left join {{ source('vocabulary', 'ranked_product_alias') }} as alias
        on alias.alias = named.product_key
    left join {{ source('vocabulary', 'ranked_product') }} as product
        on product.product_id = alias.product_id
    left join {{ source('vocabulary', 'ranking_company') }} as by_code
        on by_code.cik = named.seller_code
    left join {{ source('vocabulary', 'ranking_company') }} as by_name
        on by_name.name_en = named.seller_name
    left join {{ ref('int_fx') }} as fx
        on fx.currency = named.currency
        and fx.period_start = named.period_start
        and fx.period_end = named.period_end
)

select
    ranking_rule_id,
    year,
    product_id,
    max(coalesce(known_name, product_name)) as product_name,
    company_id,
    max(company_name) as company_name,
    sum(world_or_part / nullif(lcu_per_usd, 0)) as revenue_usd,
    sum(united_states / nullif(lcu_per_usd, 0)) as united_states_usd,
    sum(elsewhere / nullif(lcu_per_usd, 0)) as elsewhere_usd,
    max(case when is_partial_region then 1 else 0 end) = 1 as is_partial_region,
    {{ worst_status('status') }} as status,
    {{ merge_lists([distinct_list('source_code'), distinct_list('fx_source_code')]) }} as source_codes,
    {{ merge_lists([distinct_list('edition_id'), distinct_list('fx_edition_id')]) }} as edition_ids
from converted
where is_medicine
group by ranking_rule_id, year, product_id, company_id
