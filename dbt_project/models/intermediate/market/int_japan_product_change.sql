-- Growth of every product of Japan's market, setting by setting, against the year at hand before it, in price, volume
-- and the terms of products without a quantity in both years. Remainders of classes have no quantity and stay out.
with sales as (
    select
        market_sales.scope_id,
        market_sales.fiscal_year,
        market_sales.product_code_system,
        market_sales.product_code,
        market_sales.setting,
        market_sales.class_code,
        market_sales.sales_jpy,
        market_sales.quantity
    from {{ ref('int_market_sales') }} as market_sales
    where market_sales.row_kind = 'product' and market_sales.market_iso3 = 'JPN'
),

years as (
    select
        scope_id,
        fiscal_year,
        lag(fiscal_year) over (partition by scope_id order by fiscal_year) as comparison_year
    from (select distinct scope_id, fiscal_year from {{ ref('int_market_sales') }} where market_iso3 = 'JPN') as listed
),

observed as (
    select
        sales.scope_id,
        sales.fiscal_year as year,
        years.comparison_year,
        sales.product_code || '/' || sales.setting || '/' || coalesce(sales.class_code, '') as item_id,
        sales.product_code_system || '/' || sales.product_code as product_code,
        coalesce(product.substance_id, sales.product_code) as substance_key,
        sales.sales_jpy as value,
        sales.quantity
    from sales
    inner join years
        on years.scope_id = sales.scope_id
        and years.fiscal_year = sales.fiscal_year
    left join {{ ref('int_product_substance') }} as product
        on product.product_code = sales.product_code
        and product.product_code_system = sales.product_code_system
),

items as (
{{ price_volume_items('observed') }}
),

keys as (
    select distinct
        product_code_system,
        product_code,
        setting,
        class_code,
        product_code || '/' || setting || '/' || coalesce(class_code, '') as item_id
    from sales
)

select
    items.scope_id,
    items.year as fiscal_year,
    items.comparison_year as comparison_fiscal_year,
    keys.product_code_system,
    keys.product_code,
    keys.setting,
    keys.class_code,
    items.flow,
    items.value_now,
    items.value_before,
    items.quantity_now,
    items.quantity_before,
    items.is_listed_now,
    items.is_listed_before,
    items.price_effect,
    items.volume_effect,
    items.new_substance_effect,
    items.leaving_substance_effect,
    items.presentation_effect,
    items.unmatched_effect,
    items.matched_now,
    items.matched_before,
    items.basket_before_at_prices_now,
    items.basket_now_at_prices_before
from items
inner join keys
    on keys.item_id = items.item_id
