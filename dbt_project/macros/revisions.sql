{# What editions said, one row per figure and edition: rows of a canonical table in every edition of a source of whose
   part there are several, and in quotations of older editions (vocabulary.quoted_edition). `key` is the table's key in
   ingest/contracts.yml; a test compares them. #}
{% macro figure_statements(table_name, key, measure, unit, currency, entity, entity_name, activity='cast(null as string)', value='value') -%}
select
    coalesce(quoted.quoted_source_code, stated.source_code) as source_code,
    '{{ table_name }}' as table_name,
    concat_ws(
        '; ',
        {% for column in key -%}
        case when stated.{{ column }} is not null then '{{ column }} ' || cast(stated.{{ column }} as string) end
        {%- if not loop.last %},
        {% endif %}
        {%- endfor %}
    ) as figure_key,
    {{ measure }} as measure,
    {{ entity }} as entity_code,
    {{ entity_name }} as entity_name,
    {{ activity }} as activity_code,
    stated.period_start,
    stated.period_end,
    {{ unit }} as unit,
    {{ currency }} as currency,
    stated.{{ value }} as value,
    stated.status,
    stated.series_break,
    stated.locator,
    stated.source_code as stated_in_source,
    stated.edition_id,
    edition.edition_partition,
    edition.is_bundled,
    edition.ingested_at,
    coalesce(quoted.known_on, edition.published_on) as known_on,
    quoted.known_on is not null as is_quotation,
    coalesce(quoted.rounded_to, 0) as rounded_to
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
