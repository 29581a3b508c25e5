-- First and last statement of every figure that two editions state differently. Differences of a billionth, and of half
-- the step to which a quotation is rounded, are none.
with ordered as (
    select
        *,
        row_number() over (
            partition by source_code, table_name, figure_key
            order by known_on, is_bundled desc, ingested_at, edition_id
        ) as position,
        row_number() over (
            partition by source_code, table_name, figure_key
            order by known_on desc, is_bundled, ingested_at desc, edition_id desc
        ) as position_from_last,
        lag(value) over (
            partition by source_code, table_name, figure_key
            order by known_on, is_bundled desc, ingested_at, edition_id
        ) as value_before,
        max(rounded_to) over (partition by source_code, table_name, figure_key) as step
    from {{ ref('figure_statement') }}
    where value is not null
),

judged as (
    select
        *,
        position > 1 and abs(value - value_before) > greatest(1e-9 * abs(value_before), step / 2) as is_change
    from ordered
),

summary as (
    select
        source_code,
        table_name,
        figure_key,
        count(*) as n_statements,
        count(case when is_change then 1 end) as n_changes,
        max(case when is_change then known_on end) as changed_on
    from judged
    group by source_code, table_name, figure_key
)

select
    last_said.source_code,
    last_said.table_name,
    last_said.figure_key,
    last_said.measure,
    last_said.entity_code,
    last_said.entity_name,
    last_said.activity_code,
    last_said.period_start,
    last_said.period_end,
    last_said.unit,
    last_said.currency,
    first_said.value as first_value,
    last_said.value as last_value,
    first_said.known_on as first_known_on,
    last_said.known_on as last_known_on,
    summary.changed_on,
    summary.n_statements,
    summary.n_changes,
    first_said.edition_id as first_edition_id,
    last_said.edition_id as last_edition_id,
    first_said.locator as first_locator,
    last_said.locator as last_locator,
    first_said.stated_in_source as first_stated_in_source,
    last_said.stated_in_source as last_stated_in_source,
    first_said.is_quotation as is_quotation,
    last_said.status,
    abs(last_said.value - first_said.value) <= greatest(1e-9 * abs(first_said.value), last_said.step / 2) as is_restored,
    -- Whole millions in place of a finer figure.
    abs(last_said.value - first_said.value) <= 500000
        and mod(last_said.value, 1000000) = 0
        and mod(first_said.value, 1000000) <> 0
        and last_said.unit = 'currency' as is_rounded
from summary
inner join judged as first_said
    on first_said.source_code = summary.source_code
    and first_said.table_name = summary.table_name
    and first_said.figure_key = summary.figure_key
    and first_said.position = 1
inner join judged as last_said
    on last_said.source_code = summary.source_code
    and last_said.table_name = summary.table_name
    and last_said.figure_key = summary.figure_key
    and last_said.position_from_last = 1
where summary.n_changes > 0
