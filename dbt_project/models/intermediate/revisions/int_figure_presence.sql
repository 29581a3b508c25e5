-- Figures that came or went within what both the first and the last edition of a part cover: a period that the one has
-- and the other has not. New periods are no revision, and a quotation or a trimmed edition says nothing of what it lacks.
with stated as (
    select *
    from {{ ref('figure_statement') }}
    where value is not null and not is_quotation
),

-- Bundled editions are trimmed by one rule and are compared with each other only.
spans as (
    select
        stated_in_source,
        table_name,
        edition_partition,
        is_bundled,
        measure,
        edition_id,
        known_on,
        min(period_start) as first_day,
        max(period_end) as last_day
    from stated
    group by stated_in_source, table_name, edition_partition, is_bundled, measure, edition_id, known_on
),

ends as (
    select
        *,
        row_number() over (
            partition by stated_in_source, table_name, edition_partition, is_bundled, measure order by known_on, edition_id
        ) as position,
        row_number() over (
            partition by stated_in_source, table_name, edition_partition, is_bundled, measure
            order by known_on desc, edition_id desc
        ) as position_from_last
    from spans
),

pairs as (
    select
        first_end.stated_in_source,
        first_end.table_name,
        first_end.edition_partition,
        first_end.is_bundled,
        first_end.measure,
        first_end.edition_id as first_edition_id,
        first_end.known_on as first_known_on,
        first_end.first_day as first_from,
        first_end.last_day as first_to,
        last_end.edition_id as last_edition_id,
        last_end.known_on as last_known_on,
        last_end.first_day as last_from,
        last_end.last_day as last_to
    from ends as first_end
    inner join ends as last_end
        on last_end.stated_in_source = first_end.stated_in_source
        and last_end.table_name = first_end.table_name
        and last_end.edition_partition = first_end.edition_partition
        and last_end.is_bundled = first_end.is_bundled
        and last_end.measure = first_end.measure
        and last_end.position_from_last = 1
    where first_end.position = 1 and first_end.edition_id <> last_end.edition_id
),

within_both as (
    select
        pairs.first_edition_id,
        pairs.first_known_on,
        pairs.last_edition_id,
        pairs.last_known_on,
        stated.*
    from stated
    inner join pairs
        on pairs.stated_in_source = stated.stated_in_source
        and pairs.table_name = stated.table_name
        and pairs.edition_partition = stated.edition_partition
        and pairs.is_bundled = stated.is_bundled
        and pairs.measure = stated.measure
    where
        stated.edition_id in (pairs.first_edition_id, pairs.last_edition_id)
        and stated.period_start >= greatest(pairs.first_from, pairs.last_from)
        and stated.period_end <= least(pairs.first_to, pairs.last_to)
),

counted as (
    select
        *,
        count(*) over (partition by source_code, table_name, edition_partition, is_bundled, figure_key) as n_ends
    from within_both
)

select
    source_code,
    table_name,
    figure_key,
    measure,
    entity_code,
    entity_name,
    activity_code,
    period_start,
    period_end,
    unit,
    currency,
    edition_id = last_edition_id as is_new,
    value,
    first_known_on,
    last_known_on,
    first_edition_id,
    last_edition_id,
    locator,
    stated_in_source,
    status
from counted
where n_ends = 1
