-- Grams of active substance in one listed unit of every product sold, by the strength of the newest price list that
-- has the product; a product that no list at hand has takes the mass in its own name.
with products as (
    select
        product_code_system,
        product_code,
        max(product_name) as product_name
    from {{ ref('stg_sales_observation') }}
    where row_kind = 'product' and product_code_system = 'nhi_12'
    group by product_code_system, product_code
),

listed as (
    select
        licence_number,
        strength_text,
        source_code,
        edition_id,
        row_number() over (partition by licence_number order by listed_on desc, edition_id desc) as recency
    from {{ ref('stg_product_identity') }}
    where list_name = 'nhi_price_list'
),

named as (
    select
        products.product_code_system,
        products.product_code,
        products.product_name,
        listed.licence_number is not null as is_listed,
        listed.strength_text,
        {{ name_mass('products.product_name') }} as name_mass,
        listed.source_code,
        listed.edition_id
    from products
    left join listed
        on listed.licence_number = products.product_code
        and listed.recency = 1
)

select
    named.product_code_system,
    named.product_code,
    named.product_name,
    named.strength_text,
    {{ grams_of('named.name_mass') }} as grams_in_name,
    case
        when named.is_listed then 'price_list'
        when named.name_mass is not null then 'product_name'
    end as strength_basis,
    case when named.is_listed then strength.grams_per_unit else {{ grams_of('named.name_mass') }} end as grams_per_unit,
    case
        when named.is_listed then strength.reason_code
        when named.name_mass is null then 'not_on_a_price_list'
    end as reason_code,
    named.source_code,
    named.edition_id
from named
left join {{ ref('int_strength') }} as strength
    on strength.strength_text = named.strength_text
