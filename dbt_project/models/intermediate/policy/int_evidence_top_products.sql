-- Counts of biologics among the 100 best-selling medicines by stated rules, and whether they rise.
with counts as (
    select
        claim_id as study_id,
        case
            when metric = 'count_top100_biologic' and claimant like '%OPIR%' then 'top100_opir_iqvia'
            when metric = 'count_top100_non_small_molecule' then 'top100_company_reports'
        end as definition_id,
        claimant,
        cast({{ regexp_part('reference_period', '((?:19|20)[0-9][0-9])') }} as int) as year,
        value_stated as figure,
        status,
        source_code,
        edition_id
    from {{ ref('stg_claim') }}
    where
        metric in ('count_top100_biologic', 'count_top100_non_small_molecule')
        and not is_seed_claim
        and value_stated is not null
),

claims as (
    select
        *,
        cast({{ regexp_part('reference_period', '((?:19|20)[0-9][0-9])') }} as int) as year
    from {{ ref('int_seed_claim') }}
),

-- The study's own series up to the year of the statement: direction from its first to its last count.
spans as (
    select
        claims.claim_id,
        counts.definition_id,
        min(counts.year) as first_year,
        max(counts.year) as last_year
    from claims
    inner join counts
        on counts.year < claims.published_year
        and counts.definition_id = 'top100_opir_iqvia'
    where claims.test_kind = 'world_direction'
    group by claims.claim_id, counts.definition_id
    having min(counts.year) < max(counts.year)
)

select
    claims.claim_id,
    counts.definition_id,
    counts.claimant as label,
    cast(counts.year as string) as period_label,
    counts.figure,
    'count' as figure_unit,
    counts.figure as value_low,
    counts.figure as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'study' as evidence_grade,
    counts.year <> claims.year as is_context,
    false as is_after,
    counts.status as data_status,
    counts.source_code as source_codes,
    counts.edition_id as edition_ids
from claims
cross join counts
where claims.test_kind = 'count_top100' and counts.definition_id is not null
union all
select
    spans.claim_id,
    spans.definition_id,
    'Biologics among the top 100, ' || cast(spans.first_year as string) || ' to ' || cast(spans.last_year as string)
        as label,
    cast(spans.first_year as string) || '-' || cast(spans.last_year as string) as period_label,
    last_count.figure - first_count.figure as figure,
    'count' as figure_unit,
    cast(sign(last_count.figure - first_count.figure) as double) as value_low,
    cast(sign(last_count.figure - first_count.figure) as double) as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'study' as evidence_grade,
    false as is_context,
    false as is_after,
    'derived' as data_status,
    {{ merge_lists(['first_count.source_code', 'last_count.source_code']) }} as source_codes,
    {{ merge_lists(['first_count.edition_id', 'last_count.edition_id']) }} as edition_ids
from spans
inner join counts as first_count
    on first_count.definition_id = spans.definition_id
    and first_count.year = spans.first_year
inner join counts as last_count
    on last_count.definition_id = spans.definition_id
    and last_count.year = spans.last_year
