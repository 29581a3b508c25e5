with editions as (
    select
        source_code,
        table_name,
        count(distinct edition_id) as n_editions,
        max(case when is_latest then published_on end) as published_on,
        sum(case when is_latest then rows_quarantined else 0 end) as n_rows_quarantined,
        bool_and(is_bundled) as is_bundled_only
    from {{ source('lake', 'edition') }}
    group by source_code, table_name
),

-- The newest day on which anything was obtained: age is counted to it, so that a rebuild gives the same ages.
newest as (
    select cast(max(ingested_at) as date) as as_of_date
    from {{ source('lake', 'edition') }}
),

users as (
    select
        sources.source_code,
        {{ distinct_list('used.mart') }} as used_by_marts
    from {{ source('lake', 'source') }} as sources
    inner join {{ ref('int_mart_source') }} as used
        on ',' || used.source_codes || ',' like '%,' || sources.source_code || ',%'
    group by sources.source_code
)

select
    cast(sources.source_code as string) as source_code,
    cast(coalesce(counted.table_name, 'none') as string) as table_name,
    cast(coalesce(counted.indicator, 'none') as string) as indicator,
    cast(sources.title as string) as title,
    cast(sources.publisher as string) as publisher,
    cast(sources.domain as string) as domain,
    cast(sources.kind as string) as kind,
    cast(coalesce(editions.n_editions, 0) as int) as n_editions,
    editions.published_on,
    cast(counted.first_data_year as int) as first_data_year,
    cast(counted.last_data_year as int) as last_data_year,
    cast(coalesce(counted.n_rows, 0) as bigint) as n_rows,
    cast(counted.n_countries as int) as n_countries,
    cast(cast(counted.n_suppressed as double) / nullif(counted.n_rows, 0) as double) as share_suppressed,
    cast(cast(counted.n_estimated as double) / nullif(counted.n_rows, 0) as double) as share_estimated,
    cast(cast(counted.n_provisional as double) / nullif(counted.n_rows, 0) as double) as share_provisional,
    cast(cast(counted.n_derived as double) / nullif(counted.n_rows, 0) as double) as share_derived,
    cast(cast(counted.n_rows - counted.n_suppressed as double) / nullif(counted.n_rows, 0) as double) as coverage_share,
    cast(coalesce(editions.n_rows_quarantined, 0) as bigint) as n_rows_quarantined,
    coalesce(editions.is_bundled_only, false) as is_bundled_only,
    newest.as_of_date,
    cast({{ days_between('editions.published_on', 'newest.as_of_date') }} as int) as age_days,
    cast(sources.freshness_days as int) as freshness_days,
    {{ days_between('editions.published_on', 'newest.as_of_date') }} > sources.freshness_days as is_stale,
    cast(sources.licence_name as string) as licence_name,
    cast(sources.redistribution as string) as redistribution,
    cast(users.used_by_marts as string) as used_by_marts,
    cast(counted.data_status as string) as data_status,
    cast(null as string) as definition_ids,
    cast(sources.source_code as string) as source_codes,
    cast(counted.edition_ids as string) as edition_ids
from {{ source('lake', 'source') }} as sources
cross join newest
left join {{ ref('int_indicator_coverage') }} as counted
    on counted.source_code = sources.source_code
left join editions
    on editions.source_code = sources.source_code
    and editions.table_name = counted.table_name
left join users
    on users.source_code = sources.source_code
order by
    sources.domain nulls last,
    sources.source_code nulls last,
    counted.table_name nulls last,
    counted.indicator nulls last
