{# What editions said, one row per figure and edition: rows of a canonical table in every edition of a source of whose
   part there are several, and in quotations of older editions (vocabulary.quoted_edition). `key` is the table's key in
   ingest/contracts.yml; a test compares them. #}
{% macro figure_statements(table_name, key, measure, unit, currency, entity, entity_name, activity='cast(null as string)', value='value') -%}
select
    cast(coalesce(quoted.quoted_source_code, stated.source_code) as string) as source_code,
    cast('{{ table_name }}' as string) as table_name,
    concat_ws(
        '; ',
        {% for column in key -%}
        case when stated.{{ column }} is not null then '{{ column }} ' || cast(stated.{{ column }} as string) end
        {%- if not loop.last %},
        {% endif %}
        {%- endfor %}
    ) as figure_key,
    cast({{ measure }} as string) as measure,
    cast({{ entity }} as string) as entity_code,
    cast({{ entity_name }} as string) as entity_name,
    cast({{ activity }} as string) as activity_code,
    stated.period_start,
    stated.period_end,
    cast({{ unit }} as string) as unit,
    cast({{ currency }} as string) as currency,
    stated.{{ value }} as value,
    stated.status,
    stated.series_break,
    stated.file_sha256,
    stated.locator,
    stated.document_url,
    stated.source_code as stated_in_source,
    stated.edition_id,
    edition.edition_partition,
    edition.is_bundled,
    edition.ingested_at,
    coalesce(quoted.known_on, edition.published_on) as known_on,
    quoted.known_on is not null as is_quotation,
    cast(coalesce(quoted.rounded_to, 0) as double) as rounded_to
from {{ source('lake', table_name) }} as stated
inner join {{ source('lake', 'edition') }} as edition
    on edition.source_code = stated.source_code
    and edition.edition_id = stated.edition_id
    and edition.edition_partition = stated.edition_partition
    and edition.table_name = '{{ table_name }}'
inner join compared
    on compared.source_code = stated.source_code
    and compared.edition_partition = stated.edition_partition
    and compared.table_name = '{{ table_name }}'
left join {{ source('vocabulary', 'quoted_edition') }} as quoted
    on quoted.source_code = stated.source_code
    and quoted.edition_partition = stated.edition_partition
    and quoted.table_name = '{{ table_name }}'
{%- endmacro %}
