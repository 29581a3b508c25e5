-- Biotechnology R&D outside the pharmaceutical industry beside the statement on smart cells: context, because importance
-- is a judgement, and because the figure is an upper bound of industrial biotechnology and no measure of smart cells.
select
    claims.claim_id,
    'white_biotechnology_proxy' as definition_id,
    'Biotechnology R&D outside pharmaceuticals over all of it, ' || items.country_iso3 as label,
    cast(items.year as string) as period_label,
    items.share_of_biotechnology_rnd as figure,
    'share' as figure_unit,
    cast(0 as double) as value_low,
    items.share_of_biotechnology_rnd as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'official_statistics' as evidence_grade,
    true as is_context,
    items.year > claims.published_year as is_after,
    items.data_status,
    items.source_codes,
    items.edition_ids,
    items.country_iso3,
    items.year,
    items.value_lcu,
    items.currency
from {{ ref('int_seed_claim') }} as claims
cross join {{ ref('mart_white_biotechnology') }} as items
where
    claims.topic = 'smart_cell'
    and items.item_id = 'biotechnology_rnd_outside_pharmaceuticals'
    and items.measurement = 'measured'
