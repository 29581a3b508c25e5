-- Numbers of contract manufacturers of regenerative products that somebody lists: context, because nothing says how
-- many would be few and no list is a census.
select
    claims.claim_id,
    'not_checkable' as definition_id,
    listed.claimant as label,
    listed.reference_period as period_label,
    listed.value_stated as figure,
    'count' as figure_unit,
    listed.value_stated as value_low,
    listed.value_stated as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'claim' as evidence_grade,
    true as is_context,
    false as is_after,
    listed.status as data_status,
    listed.source_code as source_codes,
    listed.edition_id as edition_ids
from {{ ref('int_seed_claim') }} as claims
cross join {{ ref('stg_claim') }} as listed
where
    claims.test_kind = 'regenerative_count'
    and listed.metric = 'count_regenerative_cdmo'
    and not listed.is_seed_claim
    and listed.value_stated is not null
