-- Evidence on every statement under every definition, one row per statement, definition, label and period.
-- position: where the evidence lies against what the statement asserts. is_decisive: the row counts for the verdict
-- (no context, sufficient coverage, wholly inside or wholly outside).
{%- set models = [
    'top_products', 'japan_sales', 'overseas', 'rnd', 'origin', 'development', 'cdmo', 'regenerative', 'smart_cell',
] -%}
{%- set columns = [
    'claim_id', 'definition_id', 'label', 'period_label', 'figure', 'figure_unit', 'value_low', 'value_high',
    'coverage_share', 'scope_match', 'evidence_grade', 'is_context', 'is_after', 'data_status', 'source_codes',
    'edition_ids',
] %}
with gathered as (
    {% for model in models -%}
    select {{ columns | join(', ') }}
    from {{ ref('int_evidence_' ~ model) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

placed as (
    select
        gathered.*,
        -- The last year that the label of the period names.
        cast({{ regexp_part('gathered.period_label', '.*((?:19|20)[0-9][0-9])') }} as int) as last_year,
        case
            when claims.rule_family = 'none' then null
            when gathered.value_low >= coalesce(claims.value_low, 1.0)
                and gathered.value_high <= coalesce(claims.value_high, 1.0) then 'inside'
            when gathered.value_high < coalesce(claims.value_low, 1.0)
                or gathered.value_low > coalesce(claims.value_high, 1.0) then 'outside'
            else 'spans'
        end as position
    from gathered
    inner join {{ ref('int_seed_claim') }} as claims
        on claims.claim_id = gathered.claim_id
)

select
    *,
    coalesce(
        not is_context
        and position in ('inside', 'outside')
        and coalesce(coverage_share, 1.0) >= {{ var('minimum_coverage') }},
        false
    ) as is_decisive
from placed
