-- Everything that is known of the drug-substance sites of a substance, as one text: country, firms, kind of evidence
-- and the market whose authority recorded it. Originators and biosimilars apart.
with places as (
    select
        substance_id,
        is_biosimilar,
        country_iso3 || ': ' || firm_names || ' (' || replace(evidence_kind, '_', ' ') || ', ' || evidence_market_iso3
        || ')' as place,
        country_iso3 || evidence_kind || evidence_market_iso3 as place_order
    from {{ ref('int_substance_site') }}
)

select
    substance_id,
    is_biosimilar,
    {{ ordered_list('place', 'place_order') }} as known_sites,
    count(*) as n_known_sites
from places
group by substance_id, is_biosimilar
