with listed as (
    select
        claim_id,
        {{ ordered_list(
            "label || ', ' || period_label || ': ' || case figure_unit"
            ~ " when 'share' then case when value_low = value_high or figure is not null then " ~ text_percent('coalesce(figure, value_low)')
            ~ " else " ~ text_percent('value_low') ~ " || ' to ' || " ~ text_percent('value_high')
            ~ " || ', coverage ' || " ~ text_percent('coverage_share') ~ " end"
            ~ " when 'share_per_year' then " ~ text_rate('figure')
            ~ " when 'currency' then " ~ text_jpy_bn('figure')
            ~ " else " ~ text_count('figure') ~ " end"
            ~ " || case when is_context then ' (context)' when is_after then ' (after the statement)' else '' end",
            'is_context, is_after, definition_id, period_label, label'
        ) }} as evidence_summary
    from {{ ref('int_claim_evidence') }}
    group by claim_id
)

select
    cast(claims.display_order as int) as display_order,
    cast(claims.claim_id as string) as claim_id,
    cast(claims.topic as string) as topic,
    cast(claims.statement_en as string) as statement_en,
    cast(claims.statement_original as string) as statement_original,
    cast(claims.claimant as string) as claimant,
    cast(claims.document_title as string) as document_title,
    cast(claims.document_url as string) as document_url,
    claims.published_on,
    cast(claims.metric as string) as metric,
    cast(claims.population as string) as population,
    cast(claims.market_scope as string) as market_scope,
    cast(claims.reference_period as string) as reference_period,
    cast(claims.denominator as string) as denominator,
    cast(claims.value_low as double) as claimed_low,
    cast(claims.value_high as double) as claimed_high,
    cast(claims.value_stated as double) as claimed_stated,
    cast(claims.unit as string) as unit,
    cast(claims.currency as string) as currency,
    cast(claims.tolerance_rule as string) as tolerance_rule,
    cast(verdict.evidence_low as double) as evidence_low,
    cast(verdict.evidence_high as double) as evidence_high,
    cast(verdict.definition_count as int) as definition_count,
    cast(verdict.n_decisive as int) as decisive_count,
    cast(verdict.coverage_share as double) as coverage_share,
    cast(verdict.evidence_grades as string) as evidence_grades,
    cast(verdict.verdict as string) as verdict,
    cast(finding.finding_en as string) as finding_en,
    cast(
        rule.sentence
        || case when verdict.verdict <> 'not_checkable' then coalesce(' ' || claims.evidence_scope, '') else '' end
        || coalesce(' What would settle it: ' || claims.what_would_settle, '') as string
    ) as verdict_reason,
    cast(listed.evidence_summary as string) as evidence_summary,
    cast(finding.evidence_key as string) as evidence_key,
    cast(claims.confidence as string) as transcription_confidence,
    cast(claims.note as string) as note,
    cast(coalesce(verdict.data_status, 'reported') as string) as data_status,
    cast(coalesce(verdict.last_data_year, claims.published_year) as int) as last_data_year,
    cast({{ merge_lists(['verdict.verdict', 'verdict.definition_ids']) }} as string) as definition_ids,
    cast({{ merge_lists(['claims.source_code', 'verdict.source_codes']) }} as string) as source_codes,
    cast({{ merge_lists(['claims.edition_id', 'verdict.edition_ids']) }} as string) as edition_ids
from {{ ref('int_seed_claim') }} as claims
inner join {{ ref('int_claim_verdict') }} as verdict
    on verdict.claim_id = claims.claim_id
inner join {{ ref('int_claim_finding') }} as finding
    on finding.claim_id = claims.claim_id
left join {{ source('vocabulary', 'definition') }} as rule
    on rule.definition_id = verdict.verdict
left join listed
    on listed.claim_id = claims.claim_id
order by
    claims.display_order nulls last,
    claims.claim_id nulls last
