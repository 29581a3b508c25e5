-- Origin of every biologic sold in a market: what the site evidence says of its substance.
-- Sites count once per country, whatever the number of documents that name them. An originator takes the evidence of
-- originators, a biosimilar that of biosimilars.
with countries as (
    select
        substance_id,
        is_biosimilar,
        country_iso3,
        min(case evidence_kind
            when 'legal_document' then 1 when 'listing_one_country' then 2 else 3
        end) as evidence_order,
        {{ distinct_list('evidence_market_iso3') }} as evidence_markets
    from {{ ref('int_substance_site') }}
    group by substance_id, is_biosimilar, country_iso3
),

lineage as (
    select
        substance_id,
        is_biosimilar,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
    from {{ ref('int_substance_site') }}
    group by substance_id, is_biosimilar
),

products as (
    select distinct
        market_iso3, product_code, substance_id, is_biosimilar
    from {{ ref('int_market_product_class') }}
    where is_biologic
),

judged as (
    select
        products.market_iso3,
        products.product_code,
        max(countries.substance_id) as evidence_substance_id,
        max(countries.is_biosimilar) as evidence_is_biosimilar,
        count(countries.country_iso3) as n_countries,
        count(case when countries.country_iso3 <> products.market_iso3 then 1 end) as n_countries_overseas,
        min(countries.evidence_order) as evidence_order,
        {{ distinct_list('countries.country_iso3') }} as site_countries,
        {{ merge_lists([distinct_list('countries.evidence_markets')]) }} as evidence_markets,
        max(case when countries.evidence_markets like '%' || products.market_iso3 || '%' then 1 else 0 end)
            as has_own_market_evidence
    from products
    left join countries
        on countries.substance_id = products.substance_id
        and countries.is_biosimilar = products.is_biosimilar
    group by products.market_iso3, products.product_code
)

select
    judged.market_iso3,
    judged.product_code,
    judged.n_countries,
    judged.n_countries_overseas,
    case
        when judged.n_countries = 0 then 'unknown'
        when judged.n_countries_overseas = judged.n_countries then 'overseas'
        when judged.n_countries_overseas = 0 then 'domestic'
        else 'mixed'
    end as origin,
    cast(judged.n_countries_overseas as double) / nullif(judged.n_countries, 0) as share_of_countries_overseas,
    case judged.evidence_order
        when 1 then 'legal_document'
        when 2 then 'listing_one_country'
        when 3 then 'listing_several_countries'
    end as best_evidence_kind,
    case
        when judged.n_countries = 0 then null
        when judged.has_own_market_evidence = 0 then 'E'
        when judged.evidence_order = 1 then 'A'
        when judged.evidence_order = 2 then 'B'
        else 'D'
    end as evidence_grade,
    judged.site_countries,
    judged.evidence_markets,
    lineage.source_codes,
    lineage.edition_ids
from judged
left join lineage
    on lineage.substance_id = judged.evidence_substance_id
    and lineage.is_biosimilar = judged.evidence_is_biosimilar
