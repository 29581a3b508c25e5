-- The verdict on every statement, by the rules of vocabulary.definition (kind verdict_rule).
with counted as (
    select
        claim_id,
        count(*) as n_evidence,
        count(distinct definition_id || '|' || label) as definition_count,
        count(case when is_decisive and not is_after then 1 end) as n_decisive,
        count(case when is_decisive and not is_after and position = 'inside' then 1 end) as n_inside,
        count(case when is_decisive and is_after then 1 end) as n_after,
        count(case when is_decisive and is_after and position = 'inside' then 1 end) as n_after_inside,
        bool_and(scope_match = 'same') as is_same_scope,
        -- What decides; where nothing does, all that was looked at for the time of the statement.
        coalesce(
            min(case when is_decisive and not is_after then value_low end),
            min(case when not is_context and not is_after then value_low end)
        ) as evidence_low,
        coalesce(
            max(case when is_decisive and not is_after then value_high end),
            max(case when not is_context and not is_after then value_high end)
        ) as evidence_high,
        coalesce(
            min(case when is_decisive and not is_after then coverage_share end),
            min(case when not is_context and not is_after then coverage_share end)
        ) as coverage_low,
        -- A rate of growth that decides nothing is still shown beside the one that is stated.
        min(case when figure_unit = 'share_per_year' and not is_after then value_low end) as rate_low,
        max(case when figure_unit = 'share_per_year' and not is_after then value_high end) as rate_high,
        max(last_year) as last_data_year,
        {{ merge_lists([distinct_list('evidence_grade')]) }} as evidence_grades,
        {{ distinct_list('definition_id') }} as definition_ids,
        coalesce(
            {{ worst_status('case when is_decisive and not is_after then data_status end') }},
            {{ worst_status('data_status') }}
        ) as data_status,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
    from {{ ref('int_claim_evidence') }}
    group by claim_id
)

select
    claims.claim_id,
    coalesce(counted.n_evidence, 0) as n_evidence,
    coalesce(counted.definition_count, 0) as definition_count,
    coalesce(counted.n_decisive, 0) as n_decisive,
    coalesce(counted.n_inside, 0) as n_inside,
    coalesce(counted.n_after, 0) as n_after,
    coalesce(counted.n_after_inside, 0) as n_after_inside,
    case
        when claims.rule_family <> 'none' then counted.evidence_low
        when claims.unit = 'share_per_year' then counted.rate_low
    end as evidence_low,
    case
        when claims.rule_family <> 'none' then counted.evidence_high
        when claims.unit = 'share_per_year' then counted.rate_high
    end as evidence_high,
    counted.coverage_low as coverage_share,
    counted.last_data_year,
    counted.evidence_grades,
    counted.definition_ids,
    counted.data_status,
    counted.source_codes,
    counted.edition_ids,
    case
        when claims.rule_family = 'none' or coalesce(counted.n_decisive, 0) = 0 then 'not_checkable'
        when claims.rule_family = 'value' then
            case
                when counted.n_inside = counted.n_decisive and counted.is_same_scope then 'reproduced'
                when counted.n_inside = counted.n_decisive then 'consistent_other_scope'
                when counted.n_inside > 0 then 'definition_dependent'
                when not claims.is_rule_stated and claims.unit = 'count' then 'definition_dependent'
                when counted.is_same_scope then 'contradicted'
                else 'inconsistent_other_scope'
            end
        when counted.n_inside = counted.n_decisive then
            case
                when claims.scope_distance = 'other' then 'consistent_other_scope'
                when claims.scope_distance = 'earlier' then 'supported_dated'
                when counted.n_after > 0 and counted.n_after_inside = 0 then 'supported_dated'
                else 'supported'
            end
        when counted.n_inside * 2 > counted.n_decisive then 'not_uniform'
        else 'not_supported'
    end as verdict
from {{ ref('int_seed_claim') }} as claims
left join counted
    on counted.claim_id = claims.claim_id
