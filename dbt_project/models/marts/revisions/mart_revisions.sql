-- What publishers changed: one row per figure that two editions state differently, or that only one states.
with national as (
    select
        activity.entity_code,
        activity.measure,
        cast(extract(year from activity.period_start) as int) as year,
        max(activity.value) as value_lcu,
        max(activity.published_on) as published_on
    from {{ ref('stg_rnd_observation') }} as activity
    where
        activity.source_code = '{{ var('reference_survey_source') }}'
        and activity.activity_scheme = 'JSIC'
        and activity.activity_code = '165'
        and activity.unit = 'national_currency'
    group by activity.entity_code, activity.measure, cast(extract(year from activity.period_start) as int)
),

-- A figure at purchasing power parity whose national original was published before either edition, and which the
-- present parity leads to: only the parity was revised.
rebased as (
    select
        changed.source_code,
        changed.table_name,
        changed.figure_key
    from {{ ref('int_figure_change') }} as changed
    inner join national
        on national.entity_code = changed.entity_code
        and national.measure = changed.measure
        and national.year = cast(extract(year from changed.period_start) as int)
        and national.published_on <= changed.first_known_on
    inner join {{ ref('int_ppp') }} as parity
        on parity.country_iso3 = changed.entity_code
        and parity.year = national.year
    where
        changed.unit = 'usd_ppp'
        and changed.activity_code = 'C21'
        and abs(changed.last_value * parity.ppp_lcu_per_usd / national.value_lcu - 1) < 0.001
),

changes as (
    select
        changed.*,
        case
            when changed.is_restored then 'restored'
            when changed.is_rounded then 'rounded'
            when rebased.figure_key is not null then 'rebased_by_ppp'
            when changed.table_name = 'sales_observation' and changed.figure_key like '%price_basis company_net%' then 'restated'
            when changed.figure_key like '%lens filer%' then 'restated'
            else 'revised'
        end as revision_kind
    from {{ ref('int_figure_change') }} as changed
    left join rebased
        on rebased.source_code = changed.source_code
        and rebased.table_name = changed.table_name
        and rebased.figure_key = changed.figure_key
),

revisions as (
    select
        source_code, table_name, figure_key, measure, entity_code, entity_name, activity_code, period_start, period_end,
        unit, currency, revision_kind, first_value, last_value, first_known_on, last_known_on, changed_on, n_statements,
        n_changes, first_edition_id, last_edition_id, first_locator, last_locator, first_stated_in_source,
        last_stated_in_source, is_quotation, status
    from changes
    union all
    select
        source_code, table_name, figure_key, measure, entity_code, entity_name, activity_code, period_start, period_end,
        unit, currency,
        case when is_new then 'appeared' else 'vanished' end,
        case when not is_new then value end,
        case when is_new then value end,
        first_known_on, last_known_on, last_known_on, 1, 1, first_edition_id, last_edition_id,
        case when not is_new then locator end,
        case when is_new then locator end,
        stated_in_source, stated_in_source, false, status
    from {{ ref('int_figure_presence') }}
)

select
    cast(revisions.source_code as string) as source_code,
    cast(revisions.table_name as string) as table_name,
    cast(revisions.figure_key as string) as figure_key,
    cast(revisions.revision_kind as string) as revision_kind,
    cast(revisions.entity_code as string) as entity_code,
    cast(revisions.entity_name as string) as entity_name,
    cast(country.iso3 as string) as country_iso3,
    cast(revisions.measure as string) as measure,
    cast(revisions.activity_code as string) as activity_code,
    revisions.period_start,
    revisions.period_end,
    cast(extract(year from case
        when {{ days_between('revisions.period_start', 'revisions.period_end') }} > 300 then revisions.period_start + interval 6 month
        else revisions.period_start
    end) as int) as year,
    cast(revisions.unit as string) as unit,
    cast(revisions.currency as string) as currency,
    cast(revisions.first_value as double) as first_value,
    cast(revisions.last_value as double) as last_value,
    cast(revisions.last_value - revisions.first_value as double) as difference,
    cast((revisions.last_value - revisions.first_value) / nullif(abs(revisions.first_value), 0) as double) as difference_share,
    revisions.first_known_on,
    revisions.last_known_on,
    revisions.changed_on,
    cast({{ days_between('revisions.first_known_on', 'revisions.changed_on') }} as int) as days_until_changed,
    cast(revisions.n_statements as int) as n_statements,
    cast(revisions.n_changes as int) as n_changes,
    cast(revisions.first_edition_id as string) as first_edition_id,
    cast(revisions.last_edition_id as string) as last_edition_id,
    cast(revisions.first_locator as string) as first_locator,
    cast(revisions.last_locator as string) as last_locator,
    revisions.is_quotation as is_first_quoted,
    cast(case when revisions.status = 'suppressed' then 'reported' else revisions.status end as string) as data_status,
    cast('revision_between_editions' as string) as definition_ids,
    cast({{ merge_lists(['revisions.first_stated_in_source', 'revisions.source_code', 'revisions.last_stated_in_source']) }} as string)
        as source_codes,
    cast({{ merge_lists(['revisions.first_edition_id', 'revisions.last_edition_id']) }} as string) as edition_ids,
    cast(extract(year from case
        when {{ days_between('revisions.period_start', 'revisions.period_end') }} > 300 then revisions.period_start + interval 6 month
        else revisions.period_start
    end) as int) as last_data_year
from revisions
left join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = revisions.entity_code
order by revisions.source_code nulls last, revisions.table_name nulls last, revisions.figure_key nulls last
