-- Overseas share of biologics sold in Japan: the study's two points, and the warehouse's interval of the last year under
-- every rule set, by value and by weight. An interval that rests on less than the least coverage decides nothing; by
-- weight, what has no mass is not covered either.
with shares as (
    select
        *,
        max(year) over (partition by basis, measure) as newest_year
    from {{ ref('mart_overseas_manufacturing_share') }}
    where market_iso3 = 'JPN' and modality = 'all' and is_comparable
)

select
    claims.claim_id,
    case when shares.basis = 'opir_2015_study' then 'opir_product_origin' else 'site_of_substance_any_market' end
        as definition_id,
    case
        when shares.basis = 'opir_2015_study' then 'OPIR, antibodies, by ' || shares.measure
        else shares.ruleset_id || ', ' || shares.scope_id
            || case when shares.measure = 'weight' then ', by weight' else '' end
    end as label,
    case when shares.period_basis = 'fiscal_year' then 'FY' else '' end || cast(shares.year as string) as period_label,
    case when shares.basis = 'opir_2015_study' then shares.share_overseas_low end as figure,
    'share' as figure_unit,
    shares.share_overseas_low as value_low,
    shares.share_overseas_high as value_high,
    shares.coverage_share * coalesce(shares.coverage_strength_share, 1.0) as coverage_share,
    'other' as scope_match,
    case when shares.basis = 'opir_2015_study' then 'study' else shares.evidence_grades end as evidence_grade,
    false as is_context,
    false as is_after,
    shares.data_status,
    shares.source_codes,
    shares.edition_ids,
    shares.basis,
    shares.measure,
    shares.scope_id,
    shares.ruleset_id,
    shares.is_headline_ruleset,
    shares.weight_kg,
    shares.year
from {{ ref('int_seed_claim') }} as claims
cross join shares
where
    claims.test_kind = 'overseas_share'
    and shares.year = shares.newest_year
    -- By weight, albumins and oral enzymes weigh more than all antibodies: only the study's own kind of product and the
    -- rule set that headlines quote stand beside the statement, the others in the mart.
    and (shares.measure = 'value' or shares.basis = 'opir_2015_study' or shares.is_headline_ruleset
        or shares.ruleset_id = 'antibodies_only')
