-- What sales, patents, production and documents say beside the statements on what is developed in Japan and on makers of
-- investigational products: context, because none of it measures what the statements say.
with origin as (
    select
        *,
        row_number() over (partition by scope_id order by year desc) as recency
    from {{ ref('mart_sales_by_origin') }}
    where
        is_headline_ruleset
        and is_comparable
        and origin_basis = 'originator'
        and origin_iso3 = 'JPN'
        and scope_id in ('ndb_all_routes', 'medicare_part_b')
),

patents as (
    select
        *,
        row_number() over (order by last_year desc) as recency
    from {{ ref('mart_patent_rta') }}
    where country_iso3 = 'JPN' and count_kind = 'family_granted' and field_code = '15'
),

diagnostics as (
    select
        *,
        row_number() over (order by year desc) as recency
    from {{ ref('mart_diagnostics') }}
    where item_id = 'in_vitro_diagnostics_production' and country_iso3 = 'JPN' and measurement = 'measured'
),

capacity as (
    select *
    from {{ ref('mart_cdmo_capacity') }}
    where
        country_iso3 = 'JPN'
        and standing in ('in_operation', 'under_construction', 'announced')
        and capacity_litres is not null
)

select
    claims.claim_id,
    'origin_of_company_originator' as definition_id,
    case origin.scope_id
        when 'medicare_part_b' then 'Substances found in Japan, share of biologics in Medicare Part B'
        else 'Substances found in Japan, share of biologics in Japan''s insurance'
    end as label,
    case when origin.period_basis = 'fiscal_year' then 'FY' else '' end || cast(origin.year as string) as period_label,
    cast(null as double) as figure,
    'share' as figure_unit,
    origin.share_sales as value_low,
    origin.share_sales_high as value_high,
    origin.coverage_share,
    'other' as scope_match,
    'official_statistics' as evidence_grade,
    true as is_context,
    origin.year > claims.published_year as is_after,
    origin.data_status,
    origin.source_codes,
    origin.edition_ids,
    origin.scope_id as series_id,
    cast(null as double) as second_figure
from {{ ref('int_seed_claim') }} as claims
cross join origin
where claims.test_kind = 'origin_rank' and origin.recency = 1
union all
select
    claims.claim_id,
    'patent_family_granted' as definition_id,
    'Inventors in Japan, share of patent families in biotechnology' as label,
    cast(patents.first_year as string) || '-' || cast(patents.last_year as string) as period_label,
    patents.share_of_world as figure,
    'share' as figure_unit,
    patents.share_of_world as value_low,
    patents.share_of_world as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'official_statistics' as evidence_grade,
    true as is_context,
    patents.last_year > claims.published_year as is_after,
    patents.data_status,
    patents.source_codes,
    patents.edition_ids,
    'patents' as series_id,
    patents.rta as second_figure
from {{ ref('int_seed_claim') }} as claims
cross join patents
where claims.test_kind = 'origin_rank' and patents.recency = 1
union all
select
    claims.claim_id,
    'diagnostics_apart' as definition_id,
    'In vitro diagnostics made in Japan, share of all medicines made there' as label,
    cast(diagnostics.year as string) as period_label,
    diagnostics.share_of_total as figure,
    'share' as figure_unit,
    diagnostics.share_of_total as value_low,
    diagnostics.share_of_total as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'official_statistics' as evidence_grade,
    true as is_context,
    false as is_after,
    diagnostics.data_status,
    diagnostics.source_codes,
    diagnostics.edition_ids,
    'production' as series_id,
    diagnostics.value_lcu as second_figure
from {{ ref('int_seed_claim') }} as claims
cross join diagnostics
where claims.test_kind = 'diagnostics' and diagnostics.recency = 1
union all
select
    claims.claim_id,
    'cdmo_capacity_as_documented' as definition_id,
    'Litres of bioreactors in Japan that documents state as ' || replace(capacity.standing, '_', ' ') as label,
    cast(extract(year from capacity.last_stated_on) as string) as period_label,
    capacity.capacity_litres as figure,
    'count' as figure_unit,
    capacity.capacity_litres as value_low,
    capacity.capacity_litres as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'press' as evidence_grade,
    true as is_context,
    extract(year from capacity.last_stated_on) > claims.published_year as is_after,
    capacity.data_status,
    capacity.source_codes,
    capacity.edition_ids,
    capacity.standing as series_id,
    cast(null as double) as second_figure
from {{ ref('int_seed_claim') }} as claims
cross join capacity
where claims.test_kind = 'investigational'
