{# Every row names a query on the published warehouse that leads to the rows behind it, and the query returns at least
   one row. Facts are published from staging without the prefix of its models, so that the published name is read as the
   one of the build. #}
{% test runnable_evidence(model, column='evidence_key', published='facts.', built='staging.stg_') %}
{%- set queries = [] -%}
{%- if execute -%}
    {%- for row in run_query('select distinct ' ~ column ~ ' from ' ~ model ~ ' where ' ~ column ~ ' is not null').rows -%}
        {%- do queries.append(row[0] | replace(published, built)) -%}
    {%- endfor -%}
{%- endif -%}
select
    'a row has no query' as problem,
    cast(null as string) as query
from {{ model }}
where {{ column }} is null
{% for query in queries -%}
union all
select
    'the query has no rows' as problem,
    '{{ query | replace("'", "''") }}' as query
where not exists ({{ query }})
{% endfor %}
{% endtest %}
