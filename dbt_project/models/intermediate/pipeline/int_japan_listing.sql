-- Substances on Japan's price lists at hand: the first list that has each, and the list before it. A substance of the
-- first list at hand has no list before it: it came at an unknown earlier day.
with lists as (
    select
        listed_on,
        lag(listed_on) over (order by listed_on) as previous_list_on,
        max(listed_on) over () as last_list_on
    from (
        select distinct listed_on
        from {{ ref('stg_product_identity') }}
        where list_name = 'nhi_price_list'
    ) as days
),

listed as (
    select
        listed_on,
        lower(substring(licence_number, 1, 7)) as nhi_7,
        lower(replace(ingredient_name, ' ', '')) as ingredient_key,
        status,
        source_code,
        edition_id
    from {{ ref('stg_product_identity') }}
    where list_name = 'nhi_price_list'
),

mapped as (
    select
        listed.*,
        coalesce(by_code.substance_id, by_name.substance_id) as substance_id
    from listed
    left join {{ source('vocabulary', 'substance_alias') }} as by_code
        on by_code.alias_scheme = 'nhi_7'
        and lower(by_code.alias) = listed.nhi_7
    left join {{ source('vocabulary', 'substance_alias') }} as by_name
        on by_name.alias_scheme = 'nhi_ingredient'
        and lower(by_name.alias) = listed.ingredient_key
),

first_listing as (
    select
        substance_id,
        min(listed_on) as first_list_on,
        {{ worst_status('status', 'reported') }} as data_status,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from mapped
    where substance_id is not null
    group by substance_id
)

select
    first_listing.substance_id,
    substance.name_en as substance_name,
    substance.modality,
    lists.previous_list_on,
    first_listing.first_list_on,
    lists.last_list_on,
    first_listing.data_status,
    first_listing.source_codes,
    first_listing.edition_ids
from first_listing
inner join {{ source('vocabulary', 'substance') }} as substance
    on substance.substance_id = first_listing.substance_id
inner join lists
    on lists.listed_on = first_listing.first_list_on
