-- Numbers of contract manufacturers of regenerative products that somebody lists, those that documents at hand name with
-- their sites, and approved products: context, because nothing says how many would be few and no list is a census.
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
union all
select
    claims.claim_id,
    'regenerative_register_entry' as definition_id,
    'Contract manufacturers with a site in Japan that documents name' as label,
    cast(max(extract(year from register.as_of_date)) as string) as period_label,
    cast(count(distinct register.company_name) as double) as figure,
    'count' as figure_unit,
    cast(count(distinct register.company_name) as double) as value_low,
    cast(count(distinct register.company_name) as double) as value_high,
    max(register.coverage_share) as coverage_share,
    'other' as scope_match,
    'press' as evidence_grade,
    true as is_context,
    false as is_after,
    {{ worst_status('register.data_status') }} as data_status,
    {{ merge_lists([distinct_list('register.source_codes')]) }} as source_codes,
    {{ merge_lists([distinct_list('register.edition_ids')]) }} as edition_ids
from {{ ref('int_seed_claim') }} as claims
cross join {{ ref('mart_regenerative_cdmo_register') }} as register
where
    claims.test_kind = 'regenerative_count'
    and register.entry_kind = 'site'
    and register.role = 'makes_for_others'
    and register.is_in_japan
group by claims.claim_id
union all
select
    claims.claim_id,
    'regenerative_product_by_agency' as definition_id,
    'Approved products, ' || approvals.agency as label,
    cast(approvals.as_of_date as string) as period_label,
    cast(approvals.n_approved as double) as figure,
    'count' as figure_unit,
    cast(approvals.n_approved as double) as value_low,
    cast(approvals.n_approved as double) as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'official_statistics' as evidence_grade,
    true as is_context,
    false as is_after,
    approvals.data_status,
    approvals.source_codes,
    approvals.edition_ids
from {{ ref('int_seed_claim') }} as claims
cross join {{ ref('mart_regenerative_approval') }} as approvals
where
    claims.test_kind = 'regenerative_count'
    and approvals.basis = 'approved_by_day'
    and approvals.product_kind = 'all'
    and not approvals.is_incomplete
    and approvals.as_of_date = (
        select min(as_of_date) from {{ ref('mart_regenerative_approval') }} where as_of_date is not null
    )
