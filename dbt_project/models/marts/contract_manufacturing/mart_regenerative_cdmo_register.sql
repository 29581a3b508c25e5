-- Sites and deals of regenerative, gene and cell products that documents at hand name. Where a document states several
-- figures of one site, each has a row of its own.
with facts as (
    select
        'site' as entry_kind,
        company_name,
        cast(null as string) as other_party_name,
        hq_iso3,
        site_name,
        site_country_iso3,
        modality,
        case when is_cdmo_perimeter then 'makes_for_others' else 'own_products' end as role,
        perimeter as role_as_stated,
        metric,
        fact_kind,
        value,
        unit,
        currency,
        case
            when {{ regexp_part('lower(note)', '(licen[cs]e)') }} is not null then true
        end as is_licence_stated,
        cast({{ regexp_part('note', 'licence to manufacture regenerative products of ([0-9]{4}-[0-9]{2}-[0-9]{2})') }} as date)
            as licence_on,
        coalesce(period_end, published_on) as as_of_on,
        source_type,
        confidence,
        document_url,
        locator,
        note,
        status,
        source_code,
        edition_id
    from {{ ref('stg_company_fact') }}
    where modality = 'cell_therapy' and site_name is not null
),

deals as (
    select
        'deal' as entry_kind,
        target_name as company_name,
        acquirer_name as other_party_name,
        cast(null as string) as hq_iso3,
        target_name as site_name,
        asset_iso3 as site_country_iso3,
        'gene_therapy' as modality,
        case when is_cdmo then 'makes_for_others' else 'own_products' end as role,
        'bought by ' || acquirer_name as role_as_stated,
        'price' as metric,
        case when deal_stage = 'announced' then 'announced' else 'actual' end as fact_kind,
        value,
        'currency' as unit,
        currency,
        cast(null as boolean) as is_licence_stated,
        cast(null as date) as licence_on,
        coalesce(deal_on, published_on) as as_of_on,
        cast(null as string) as source_type,
        cast(null as string) as confidence,
        document_url,
        locator,
        note,
        status,
        source_code,
        edition_id
    from {{ ref('stg_deal') }}
    where {{ regexp_part('lower(note)', '(plasmid dna|viral vector|gene therap|cell therap)') }} is not null
),

entries as (
    select * from facts
    union all
    select * from deals
),

-- What somebody lists: the only count of the whole.
listed as (
    select
        max(value_stated) as n_listed,
        max(claimant) as claimant,
        max(source_code) as source_code,
        max(edition_id) as edition_id
    from {{ ref('stg_claim') }}
    where metric = 'count_regenerative_cdmo' and not is_seed_claim and value_stated is not null
),

counted as (
    select
        count(distinct company_name) as n_japan
    from entries
    where entry_kind = 'site' and role = 'makes_for_others' and site_country_iso3 = 'JPN'
)

select
    cast(entries.entry_kind as string) as entry_kind,
    cast(entries.site_country_iso3 as string) as site_country_iso3,
    entries.site_country_iso3 = 'JPN' as is_in_japan,
    cast(entries.company_name as string) as company_name,
    cast(entries.other_party_name as string) as acquirer_name,
    cast(entries.hq_iso3 as string) as hq_iso3,
    cast(entries.site_name as string) as site_name,
    cast(entries.modality as string) as product_kind,
    cast(entries.role as string) as role,
    cast(entries.role_as_stated as string) as role_as_stated,
    cast(entries.metric as string) as metric,
    cast(entries.fact_kind as string) as fact_kind,
    cast(entries.value as double) as value,
    cast(entries.unit as string) as unit,
    cast(entries.currency as string) as currency,
    cast(case when entries.unit = 'square_metres' then entries.value end as double) as clean_room_m2,
    coalesce(entries.is_licence_stated, false) as is_licence_stated,
    cast(entries.licence_on as date) as licence_on,
    cast(entries.as_of_on as date) as as_of_date,
    cast(listed.n_listed as int) as n_listed_by_meti,
    cast(counted.n_japan as int) as n_cdmo_japan_in_register,
    cast(counted.n_japan / nullif(listed.n_listed, 0) as double) as coverage_share,
    cast(case when entries.value is null then 'value_not_stated' end as string) as reason_code,
    cast(entries.source_type as string) as source_type,
    cast(entries.confidence as string) as confidence,
    cast(entries.document_url as string) as document_url,
    cast(entries.locator as string) as locator,
    cast(entries.note as string) as note,
    cast(entries.status as string) as data_status,
    cast(extract(year from max(entries.as_of_on) over ()) as int) as last_data_year,
    cast('regenerative_register_entry' as string) as definition_ids,
    cast({{ merge_lists(['entries.source_code', 'listed.source_code']) }} as string) as source_codes,
    cast({{ merge_lists(['entries.edition_id', 'listed.edition_id']) }} as string) as edition_ids
from entries
cross join listed
cross join counted
order by
    entries.entry_kind desc nulls last,
    case when entries.site_country_iso3 = 'JPN' then 1 else 2 end nulls last,
    entries.role nulls last,
    entries.company_name nulls last
