-- When each substance came to each of three markets, one row per substance and market. European Union and United
-- States: the day of the first licence that is no biosimilar's. Japan: the price list gives no day of approval, so that
-- only an interval is known: after the last list that lacks the substance, up to the first that has it. A substance on
-- the first list at hand came at an unknown day before it. Markets without the substance have a row with the day up to
-- which they were looked at: there the lag is not over, and longer than it is so far.
with foreign_first as (
    select
        market_iso3,
        substance_key,
        max(substance_id) as substance_id,
        min(substance_name) as substance_name,
        max(modality) as modality,
        max(modality_basis) as modality_basis,
        min(approved_on) as available_on,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids,
        {{ worst_status('status', 'reported') }} as data_status
    from {{ ref('int_licence') }}
    where not is_biosimilar
    group by market_iso3, substance_key
),

foreign_lists as (
    select
        market_iso3,
        max(listed_on) as observed_to,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from {{ ref('stg_product_identity') }}
    where list_name in ('ema_medicines', 'purple_book')
    group by market_iso3
),

japan_lists as (
    select
        max(listed_on) as observed_to,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from {{ ref('stg_product_identity') }}
    where list_name = 'nhi_price_list'
),

-- Modalities of which the price list has products: others (vaccines, blood cells, products sold as devices) reach
-- patients in Japan by another way, and their absence from the list says nothing.
listed_modality as (
    select
        modality,
        count(*) as n_listed
    from {{ ref('int_japan_listing') }}
    group by modality
),

substances as (
    select
        substance_key,
        max(substance_id) as substance_id,
        min(substance_name) as substance_name,
        max(modality) as modality,
        max(modality_basis) as modality_basis,
        min(available_on) as first_foreign_on,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids,
        {{ worst_status('data_status', 'reported') }} as data_status
    from foreign_first
    group by substance_key
),

-- Substances whose first approval may have been elsewhere, earlier: a reviewer has left the day empty.
reviewed as (
    select
        substance_id,
        max(first_approved_on) as first_approved_on,
        max(first_approved_iso3) as first_approved_iso3
    from {{ source('vocabulary', 'product_originator') }}
    group by substance_id
),

european_and_american as (
    select
        substances.substance_key,
        lists.market_iso3,
        foreign_first.available_on as available_from,
        foreign_first.available_on as available_to,
        lists.observed_to,
        {{ merge_lists(['substances.source_codes', 'lists.source_codes']) }} as source_codes,
        {{ merge_lists(['substances.edition_ids', 'lists.edition_ids']) }} as edition_ids
    from substances
    cross join foreign_lists as lists
    left join foreign_first
        on foreign_first.substance_key = substances.substance_key
        and foreign_first.market_iso3 = lists.market_iso3
),

japanese as (
    select
        substances.substance_key,
        'JPN' as market_iso3,
        listing.previous_list_on as available_from,
        listing.first_list_on as available_to,
        lists.observed_to,
        {{ merge_lists(['substances.source_codes', 'lists.source_codes']) }} as source_codes,
        {{ merge_lists(['substances.edition_ids', 'lists.edition_ids']) }} as edition_ids
    from substances
    cross join japan_lists as lists
    left join {{ ref('int_japan_listing') }} as listing
        on listing.substance_id = substances.substance_id
    where lists.observed_to is not null
),

markets as (
    select * from european_and_american
    union all
    select * from japanese
)

select
    markets.market_iso3,
    substances.substance_key,
    substances.substance_id,
    substances.substance_name,
    substances.modality,
    substances.modality_basis,
    -- First approval in the European Union or the United States; empty where another country was or may have been first.
    case
        when reviewed.substance_id is null or reviewed.first_approved_on is not null then substances.first_foreign_on
    end as first_anywhere_on,
    substances.first_foreign_on,
    -- Whether a market's list would show the substance under a name that is found here: names of the vocabulary, and
    -- single international nonproprietary names of recombinant substances, of which Japan's lists have none that the
    -- vocabulary lacks. Vaccines, blood products and combinations go by another name at every agency.
    coalesce(
        substances.substance_id is not null
        or (
            substances.modality in (
                'monoclonal_antibody', 'antibody_drug_conjugate', 'bispecific_antibody', 'fc_fusion_protein',
                'other_recombinant_protein', 'recombinant_enzyme', 'recombinant_growth_factor',
                'recombinant_protein_hormone', 'gene_therapy'
            )
            and {{ regexp_part('substances.substance_key', '([;/,]| and )') }} is null
        ),
        false
    ) as is_found_by_name,
    markets.available_from,
    markets.available_to,
    markets.observed_to,
    coalesce(listed_modality.n_listed, 0) > 0 as is_on_price_list_by_kind,
    substances.data_status,
    markets.source_codes,
    markets.edition_ids
from markets
inner join substances
    on substances.substance_key = markets.substance_key
left join reviewed
    on reviewed.substance_id = substances.substance_id
left join listed_modality
    on listed_modality.modality = substances.modality
