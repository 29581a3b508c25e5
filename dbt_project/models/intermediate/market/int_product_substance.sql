-- One row per product of the sales tables: its substance and modality, and what the price list says of it.
with products as (
    select
        product_code_system,
        product_code,
        max(product_name) as product_name
    from {{ ref('stg_sales_observation') }}
    where row_kind = 'product' and product_code is not null
    group by product_code_system, product_code
),

listed as (
    select
        licence_number,
        ingredient_name,
        holder_name,
        is_recombinant_marked,
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
        listed.ingredient_name,
        listed.holder_name,
        listed.is_recombinant_marked,
        listed.source_code as list_source_code,
        listed.edition_id as list_edition_id,
        lower(substring(products.product_code, 1, 7)) as nhi_7,
        lower(replace(listed.ingredient_name, ' ', '')) as ingredient_key
    from products
    left join listed
        on listed.licence_number = products.product_code
        and listed.recency = 1
        and products.product_code_system = 'nhi_12'
),

mapped as (
    select
        named.*,
        coalesce(by_code.substance_id, by_name.substance_id) as substance_id
    from named
    left join {{ source('vocabulary', 'substance_alias') }} as by_code
        on by_code.alias_scheme = 'nhi_7'
        and lower(by_code.alias) = named.nhi_7
        and named.product_code_system = 'nhi_12'
    left join {{ source('vocabulary', 'substance_alias') }} as by_name
        on by_name.alias_scheme = 'nhi_ingredient'
        and lower(by_name.alias) = named.ingredient_key
)

select
    mapped.product_code_system,
    mapped.product_code,
    mapped.product_name,
    mapped.ingredient_name,
    mapped.holder_name,
    mapped.substance_id,
    substance.name_en as substance_name_en,
    substance.modality,
    coalesce(mapped.is_recombinant_marked, false) as is_recombinant_marked,
    -- The list marks a follow-on biologic in its ingredient name, the trade name carries BS.
    coalesce(mapped.ingredient_name like '%後続%', false) or mapped.product_name like '%BS%' as is_biosimilar,
    case
        when substance.modality is not null then 'mapped'
        when coalesce(mapped.is_recombinant_marked, false) then 'unclassified'
        else 'not_in_vocabulary'
    end as mapping,
    mapped.list_source_code,
    mapped.list_edition_id
from mapped
left join {{ source('vocabulary', 'substance') }} as substance
    on substance.substance_id = mapped.substance_id
