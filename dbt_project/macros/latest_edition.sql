{# Rows of a canonical table that belong to the latest edition of their source and partition. #}
{% macro latest_edition(table_name) -%}
select rows_of_lake.*
from {{ source('lake', table_name) }} as rows_of_lake
inner join {{ source('lake', 'edition') }} as edition
    on edition.source_code = rows_of_lake.source_code
    and edition.edition_id = rows_of_lake.edition_id
    and edition.edition_partition = rows_of_lake.edition_partition
    and edition.table_name = '{{ table_name }}'
    and edition.is_latest
{%- endmacro %}

{# As latest_edition; but where several partitions of a source state a company's year (a report, and the reports after
   it that repeat the year for comparison), only the rows of the last partition. Such partitions sort by time.
   `company` is null for rows that no company states; they all stay. #}
{% macro latest_statement(table_name, company) -%}
with rows_of_edition as (
{{ latest_edition(table_name) }}
),

last_statement as (
    select
        source_code,
        {{ company }} as company,
        period_end,
        max(edition_partition) as edition_partition
    from rows_of_edition
    where {{ company }} is not null
    group by source_code, {{ company }}, period_end
)

select rows_of_edition.*
from rows_of_edition
left join last_statement
    on last_statement.source_code = rows_of_edition.source_code
    and last_statement.company = {{ company }}
    and last_statement.period_end = rows_of_edition.period_end
where
    last_statement.edition_partition is null
    or last_statement.edition_partition = rows_of_edition.edition_partition
{%- endmacro %}
