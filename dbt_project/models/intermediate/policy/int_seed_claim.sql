-- The statements of the policy article, with the way in which each is tested. A statement without a test comes last.
select
    claim.claim_id,
    coalesce(test.display_order, 1000 + row_number() over (order by claim.claim_id)) as display_order,
    coalesce(test.test_kind, 'none') as test_kind,
    coalesce(test.rule_family, 'none') as rule_family,
    coalesce(test.is_rule_stated, true) as is_rule_stated,
    test.country_iso3s,
    coalesce(test.scope_distance, 'other') as scope_distance,
    test.evidence_scope,
    coalesce(test.what_would_settle, 'No test is written for this statement yet.') as what_would_settle,
    claim.topic,
    claim.claimant,
    claim.document_title,
    claim.statement_original,
    claim.statement_en,
    claim.metric,
    claim.population,
    claim.market_scope,
    claim.reference_period,
    claim.denominator,
    claim.value_low,
    claim.value_high,
    claim.value_stated,
    claim.unit,
    claim.currency,
    claim.tolerance_rule,
    claim.confidence,
    claim.published_on,
    cast(extract(year from claim.published_on) as int) as published_year,
    claim.document_url,
    claim.note,
    claim.source_code,
    claim.edition_id
from {{ ref('stg_claim') }} as claim
left join {{ source('vocabulary', 'claim_test') }} as test
    on test.claim_id = claim.claim_id
where claim.is_seed_claim
