with products as (
    select
        *,
        -- The same substance at another agency: by the vocabulary, else by its name without the four-letter suffix.
        coalesce(
            substance_id,
            {{ regexp_part('lower(ingredient_name)', '^(.*?)(?:-[a-z]{4})?$') }}
        ) as substance_key
    from {{ ref('int_regenerative_product') }}
),

elsewhere as (
    select
        substance_key,
        min(case when agency = 'EMA' then approved_on end) as approved_eu_on,
        min(case when agency = 'FDA' then approved_on end) as approved_us_on,
        {{ distinct_list('agency') }} as agencies,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
    from products
    where product_kind <> 'cord_blood'
    group by substance_key
)

select
    cast(products.agency as string) as agency,
    cast(products.market_iso3 as string) as market_iso3,
    cast(products.product_name as string) as product_name,
    cast(products.ingredient_name as string) as ingredient_name,
    cast(products.substance_name_en as string) as substance_name_en,
    cast(products.substance_id as string) as substance_id,
    cast(products.product_kind as string) as product_kind,
    cast(products.kind_basis as string) as kind_basis,
    cast(products.holder_name as string) as holder_name,
    cast(products.approval_kind as string) as approval_kind,
    products.approval_kind = 'conditional' as is_conditional,
    cast(products.approved_on as date) as approved_on,
    cast(extract(year from products.approved_on) as int) as approval_year,
    products.is_orphan,
    products.is_on_approval_list,
    cast(products.approval_listed_on as date) as approval_list_on,
    cast(products.first_price_listed_on as date) as first_price_list_on,
    cast(products.last_price_listed_on as date) as last_price_list_on,
    cast(products.listed_price as double) as listed_price_jpy,
    cast(products.licence_number as string) as licence_number,
    cast(products.publisher_flags as string) as publisher_flags,
    cast(elsewhere.agencies as string) as agencies,
    cast(elsewhere.approved_eu_on as date) as approved_eu_on,
    cast(elsewhere.approved_us_on as date) as approved_us_on,
    cast(case
        when products.approved_on is null and products.is_on_approval_list then 'list_without_dates'
        when products.approved_on is null then 'price_list_dates_the_listing_only'
    end as string) as reason_code,
    cast(products.data_status as string) as data_status,
    cast(extract(year from max(coalesce(products.last_price_listed_on, products.approval_listed_on))
        over (partition by products.agency)) as int) as last_data_year,
    cast({{ merge_lists(["'regenerative_product_by_agency'",
        "case when products.kind_basis = 'name_stem' then 'regenerative_kind_by_name' end"]) }} as string) as definition_ids,
    cast({{ merge_lists(['products.source_codes', 'elsewhere.source_codes']) }} as string) as source_codes,
    cast({{ merge_lists(['products.edition_ids', 'elsewhere.edition_ids']) }} as string) as edition_ids
from products
left join elsewhere
    on elsewhere.substance_key = products.substance_key
    and products.product_kind <> 'cord_blood'
order by
    case products.agency when 'MHLW' then 1 when 'EMA' then 2 else 3 end nulls last,
    products.approved_on nulls last,
    products.first_price_listed_on nulls first,
    products.product_name nulls last
