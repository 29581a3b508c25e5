{# What dbt does around a model's SQL, made short. dbt-duckdb builds a table under another name, renames it, looks up
   what stood there and comments on it column by column: some ten statements a model, for a file that nobody reads
   while it is built. Here a model is one statement, in a transaction of its own, and all comments are written in one
   go at the end of the build. #}
{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- set language = model['language'] -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {{ run_hooks(pre_hooks) }}
    {%- if existing_relation is not none %}
        {% do adapter.drop_relation(existing_relation) %}
    {%- endif %}
    {% call statement('main', language=language) -%}
        {{ create_table_as(False, target_relation, compiled_code, language) }}
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization view, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {{ run_hooks(pre_hooks) }}
    {%- if existing_relation is not none %}
        {% do adapter.drop_relation(existing_relation) %}
    {%- endif %}
    {% call statement('main') -%}
        {{ create_view_as(target_relation, compiled_code) }}
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{# Comments of the relations that have just been built, from their descriptions, as one statement. #}
{% macro write_comments(results) %}
    {%- if execute and target.type == 'duckdb' -%}
        {%- set found = {} -%}
        {%- for row in run_query(
            "select schema_name || '.' || table_name, list(column_name) from duckdb_columns() "
            "where database_name = current_database() group by all"
        ) -%}
            {%- do found.update({row[0]: row[1]}) -%}
        {%- endfor -%}
        {%- set comments = [] -%}
        {%- for result in results if result.status == 'success' and result.node.resource_type == 'model' -%}
            {%- set node = result.node -%}
            {%- set name = node.schema ~ '.' ~ node.alias -%}
            {%- set kind = 'view' if node.config.materialized == 'view' else 'table' -%}
            {%- do comments.append(
                'comment on ' ~ kind ~ ' ' ~ name ~ ' is ' ~ duckdb_escape_comment(node.description)
            ) -%}
            {%- for column in node.columns.values() if column.name in found.get(name, []) -%}
                {%- do comments.append(
                    'comment on column ' ~ name ~ '.' ~ column.name ~ ' is '
                    ~ duckdb_escape_comment(column.description)
                ) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- if comments -%}
            {%- do run_query('begin;\n' ~ comments | join(';\n') ~ ';\ncommit') -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
