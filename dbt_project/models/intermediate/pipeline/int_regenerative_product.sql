-- Regenerative, gene and cell products on the lists of three agencies, one row per agency and brand.
-- Japan: the list of approvals as it stood in March 2019, and the drug price list, which names those approved since that
-- are sold as medicines and not as devices. European Union: advanced therapy medicinal products. United States: the
-- Purple Book has no such class, so that products are taken by the kind of their substance or the stem of its name.
with aliases as (
    select
        alias_scheme,
        lower(alias) as alias,
        substance_id
    from {{ source('vocabulary', 'substance_alias') }}
),

listed as (
    select
        agency,
        list_name,
        market_iso3,
        licence_number,
        brand_name,
        ingredient_name,
        lower(replace(ingredient_name, ' ', '')) as ingredient_key,
        lower(ingredient_name) as ingredient_lower,
        holder_name,
        approved_on,
        listed_on,
        approval_kind,
        is_orphan,
        is_atmp,
        listed_price,
        listed_price_currency,
        publisher_flags,
        status,
        source_code,
        edition_id
    from {{ ref('stg_product_identity') }}
    where list_name in ('regenerative_products', 'nhi_price_list', 'ema_medicines', 'purple_book')
),

matched as (
    select
        listed.*,
        coalesce(by_brand.substance_id, by_code.substance_id, by_ingredient.substance_id, by_name.substance_id)
            as substance_id
    from listed
    left join aliases as by_brand
        on by_brand.alias_scheme = 'brand'
        and by_brand.alias = lower(replace(listed.brand_name, ' ', ''))
        and listed.list_name = 'regenerative_products'
    left join aliases as by_code
        on by_code.alias_scheme = 'nhi_7'
        and by_code.alias = lower(substring(listed.licence_number, 1, 7))
        and listed.list_name = 'nhi_price_list'
    left join aliases as by_ingredient
        on by_ingredient.alias_scheme = 'nhi_ingredient'
        and by_ingredient.alias = listed.ingredient_key
        and listed.market_iso3 = 'JPN'
    left join aliases as by_name
        on by_name.alias_scheme = 'inn'
        and by_name.alias = {{ regexp_part('listed.ingredient_key', '^(.*?)(?:-[a-z]{4})?$') }}
        and listed.list_name in ('ema_medicines', 'purple_book')
),

-- Kind by the vocabulary, else by words and stems of the name.
judged as (
    select
        matched.*,
        substance.name_en as substance_name_en,
        substance.modality as vocabulary_kind,
        case
            when {{ regexp_part('ingredient_lower', '(cord blood|progenitor cells, cord)') }} is not null then 'cord_blood'
            when {{ regexp_part('ingredient_lower', '(repvec|oncolytic)') }} is not null then 'oncolytic_virus'
            when {{ regexp_part('ingredient_lower',
                '(chondrocyte|cartilage cell|keratinocyte|corneal epithelial|tissue engineered|thymus tissue)') }} is not null
                then 'tissue_product'
            when {{ regexp_part('ingredient_lower',
                '(cel(?:-[a-z])?(?:-[a-z]{4})?$|cd34[+] (?:cells|enriched)|allogeneic t cells|mononuclear cells)') }} is not null
                then 'cell_therapy'
            when {{ regexp_part('ingredient_lower', '(vec(?:-[a-z]{4})?$|perplasmid|gene tiparvovec)') }} is not null
                then 'gene_therapy'
        end as kind_by_name
    from matched
    left join {{ source('vocabulary', 'substance') }} as substance
        on substance.substance_id = matched.substance_id
),

regenerative as (
    select
        *,
        case
            when vocabulary_kind in ('cell_therapy', 'gene_therapy', 'tissue_product', 'oncolytic_virus')
                then vocabulary_kind
            -- The words are read only where the agency marks the product, or has no mark of its own.
            when vocabulary_kind is null and (is_atmp or list_name = 'purple_book') then kind_by_name
        end as product_kind
    from judged
    where is_atmp or list_name in ('nhi_price_list', 'purple_book')
),

kept as (
    select
        *,
        case
            when vocabulary_kind in ('cell_therapy', 'gene_therapy', 'tissue_product', 'oncolytic_virus') then 'vocabulary'
            when product_kind is not null then 'name_stem'
            else 'agency_class_only'
        end as kind_basis,
        -- Several licences of the United States bear no brand.
        case when brand_name = 'N/A' then ingredient_name || ' (' || licence_number || ')' else brand_name end as product_name,
        row_number() over (partition by agency, list_name, brand_name order by listed_on desc, licence_number) as recency
    from regenerative
    where product_kind is not null or is_atmp
)

select
    agency,
    market_iso3,
    product_name,
    coalesce(
        max(case when list_name <> 'nhi_price_list' then ingredient_name end), max(ingredient_name)
    ) as ingredient_name,
    max(substance_id) as substance_id,
    max(substance_name_en) as substance_name_en,
    coalesce(max(product_kind), 'unclassified') as product_kind,
    max(kind_basis) as kind_basis,
    max(case when list_name <> 'nhi_price_list' then licence_number end) as licence_number,
    max(case when list_name = 'nhi_price_list' then licence_number end) as price_list_code,
    coalesce(
        max(case when list_name <> 'nhi_price_list' then holder_name end), max(holder_name)
    ) as holder_name,
    -- The price list dates the listing, not the approval.
    min(case when list_name <> 'nhi_price_list' then approved_on end) as approved_on,
    max(case when list_name <> 'nhi_price_list' then approval_kind end) as approval_kind,
    bool_or(is_orphan) as is_orphan,
    max(case when list_name <> 'nhi_price_list' then 1 else 0 end) = 1 as is_on_approval_list,
    max(case when list_name <> 'nhi_price_list' then listed_on end) as approval_listed_on,
    min(case when list_name = 'nhi_price_list' then listed_on end) as first_price_listed_on,
    max(case when list_name = 'nhi_price_list' then listed_on end) as last_price_listed_on,
    max(case when list_name = 'nhi_price_list' and recency = 1 then listed_price end) as listed_price,
    max(case when list_name = 'nhi_price_list' then listed_price_currency end) as listed_price_currency,
    max(case when list_name <> 'nhi_price_list' then publisher_flags end) as publisher_flags,
    {{ worst_status('status', 'reported') }} as data_status,
    {{ distinct_list('source_code') }} as source_codes,
    {{ distinct_list('edition_id') }} as edition_ids
from kept
group by agency, market_iso3, product_name
