{# Growth between a year and its comparison year, item by item, in parts that add up exactly (Bennet's indicator).

   `relation` has a row per scope and item (a product in one setting, say) of every year that lists it: scope_id, year,
   comparison_year (null in the first year), item_id, product_code, substance_key, value, quantity; value and quantity
   are null where the publisher suppresses them. Returns a row per scope, year and item that one of the two years lists.

   Items with a quantity in both years: price effect = change of the price times the mean of the quantities, volume
   effect = change of the quantity times the mean of the prices. The change of every other item goes whole into one of
   four terms: substances that the comparison year does not list in the scope (new_substance), that the year no longer
   lists (leaving_substance), presentations that come or go of a substance that both years list (presentation), and
   items that both years list but that lack a quantity in one of them (unmatched). #}
{% macro price_volume_items(relation, price_factor=none) -%}
select
    scope_id,
    year,
    comparison_year,
    item_id,
    product_code,
    value_now,
    value_before,
    quantity_now,
    quantity_before,
    is_listed_now,
    is_listed_before,
    flow,
    case when flow = 'continuing' then
        (value_now / quantity_now - value_before / quantity_before) * (quantity_now + quantity_before) / 2
    end as price_effect,
    case when flow = 'continuing' then
        (quantity_now - quantity_before) * (value_now / quantity_now + value_before / quantity_before) / 2
    end as volume_effect,
    case when flow = 'new_substance' then value_now end as new_substance_effect,
    case when flow = 'leaving_substance' then -value_before end as leaving_substance_effect,
    case when flow = 'presentation' then coalesce(value_now, 0) - coalesce(value_before, 0) end
        as presentation_effect,
    case when flow = 'unmatched' then coalesce(value_now, 0) - coalesce(value_before, 0) end as unmatched_effect,
    -- Of the items with a quantity in both years: what each year's basket costs at the prices of the other.
    case when flow = 'continuing' then value_now end as matched_now,
    case when flow = 'continuing' then value_before end as matched_before,
    case when flow = 'continuing' then value_now / quantity_now * quantity_before end as basket_before_at_prices_now,
    case when flow = 'continuing' then value_before / quantity_before * quantity_now end as basket_now_at_prices_before
from (
    select
        listings.*,
        case
            when comparison_year is null then 'no_comparison'
            when value_now is null and value_before is null then 'not_observed'
            when value_now > 0 and value_before > 0 and quantity_now > 0 and quantity_before > 0
                {%- if price_factor %}
                and (value_now / quantity_now) / (value_before / quantity_before)
                    between 1.0 / {{ price_factor }} and {{ price_factor }}
                {%- endif %}
                then 'continuing'
            when substance_before = 0 then 'new_substance'
            when substance_now = 0 then 'leaving_substance'
            when product_before = 0 or product_now = 0 then 'presentation'
            else 'unmatched'
        end as flow
    from (
        select
            items.*,
            max(is_listed_now) over (partition by scope_id, year, product_code) as product_now,
            max(is_listed_before) over (partition by scope_id, year, product_code) as product_before,
            max(is_listed_now) over (partition by scope_id, year, substance_key) as substance_now,
            max(is_listed_before) over (partition by scope_id, year, substance_key) as substance_before
        from (
            select
                scope_id,
                year,
                comparison_year,
                item_id,
                max(product_code) as product_code,
                max(substance_key) as substance_key,
                sum(value_now) as value_now,
                sum(value_before) as value_before,
                sum(quantity_now) as quantity_now,
                sum(quantity_before) as quantity_before,
                max(is_listed_now) as is_listed_now,
                max(is_listed_before) as is_listed_before
            from (
                select
                    scope_id,
                    year,
                    comparison_year,
                    item_id,
                    product_code,
                    substance_key,
                    value as value_now,
                    quantity as quantity_now,
                    cast(null as double) as value_before,
                    cast(null as double) as quantity_before,
                    1 as is_listed_now,
                    0 as is_listed_before
                from {{ relation }}
                union all
                select
                    earlier.scope_id,
                    pairs.year,
                    pairs.comparison_year,
                    earlier.item_id,
                    earlier.product_code,
                    earlier.substance_key,
                    cast(null as double) as value_now,
                    cast(null as double) as quantity_now,
                    earlier.value as value_before,
                    earlier.quantity as quantity_before,
                    0 as is_listed_now,
                    1 as is_listed_before
                from {{ relation }} as earlier
                inner join (
                    select distinct scope_id, year, comparison_year
                    from {{ relation }}
                    where comparison_year is not null
                ) as pairs
                    on pairs.scope_id = earlier.scope_id
                    and pairs.comparison_year = earlier.year
            ) as sides
            group by scope_id, year, comparison_year, item_id
        ) as items
    ) as listings
) as flows
{%- endmacro %}

{# Sums of the parts over a group of rows of price_volume_items, and the price indices of the matched items. #}
{% macro price_volume_sums() -%}
        {{ exact_sum('value_now') }} as value_now,
        {{ exact_sum('value_before') }} as value_before,
        coalesce({{ exact_sum('price_effect') }}, 0) as price_effect,
        coalesce({{ exact_sum('volume_effect') }}, 0) as volume_effect,
        coalesce({{ exact_sum('new_substance_effect') }}, 0) as new_substance_effect,
        coalesce({{ exact_sum('leaving_substance_effect') }}, 0) as leaving_substance_effect,
        coalesce({{ exact_sum('presentation_effect') }}, 0) as presentation_effect,
        coalesce({{ exact_sum('unmatched_effect') }}, 0) as unmatched_effect,
        {{ exact_sum('matched_now') }} as matched_now,
        {{ exact_sum('matched_before') }} as matched_before,
        {{ exact_sum('basket_before_at_prices_now') }} / nullif({{ exact_sum('matched_before') }}, 0) as laspeyres_price_index,
        {{ exact_sum('matched_now') }} / nullif({{ exact_sum('basket_now_at_prices_before') }}, 0) as paasche_price_index
{%- endmacro %}
