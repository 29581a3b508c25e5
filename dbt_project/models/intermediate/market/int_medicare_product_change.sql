-- Growth of every billing code of Medicare Part B against the year at hand before it, in price and volume.
with years as (
    select
        calendar_year,
        lag(calendar_year) over (order by calendar_year) as comparison_year
    from (select distinct calendar_year from {{ ref('int_medicare_product') }}) as listed
),

observed as (
    select
        product.scope_id,
        product.calendar_year as year,
        years.comparison_year,
        product.product_code as item_id,
        product.product_code,
        coalesce(product.substance_id, product.product_code) as substance_key,
        product.sales_usd as value,
        product.quantity
    from {{ ref('int_medicare_product') }} as product
    inner join years
        on years.calendar_year = product.calendar_year
    -- The publisher repeats every drug of its five years and leaves the cell blank where it was not yet sold.
    where product.row_kind = 'product' and product.sales_usd is not null
),

items as (
{{ price_volume_items('observed', price_factor=var('part_b_price_factor')) }}
)

select
    scope_id,
    year as calendar_year,
    comparison_year as comparison_calendar_year,
    product_code,
    flow,
    value_now,
    value_before,
    quantity_now,
    quantity_before,
    is_listed_now,
    is_listed_before,
    price_effect,
    volume_effect,
    new_substance_effect,
    leaving_substance_effect,
    presentation_effect,
    unmatched_effect,
    matched_now,
    matched_before,
    basket_before_at_prices_now,
    basket_now_at_prices_before
from items
