{# What DuckDB and Spark spell differently. Everything else in the models is common to both. #}

{# Distinct values of a group as one text, in alphabetical order, separated by commas. #}
{% macro distinct_list(expression) -%}
    {{ return(adapter.dispatch('distinct_list', 'biopharma')(expression)) }}
{%- endmacro %}

{% macro duckdb__distinct_list(expression) -%}
    string_agg(distinct {{ expression }}, ',' order by {{ expression }})
{%- endmacro %}

{% macro default__distinct_list(expression) -%}
    nullif(array_join(array_sort(collect_set({{ expression }})), ','), '')
{%- endmacro %}

{# Values of a group as one text, in the order of a number, separated by a text. #}
{% macro ordered_list(expression, position, separator='; ') -%}
    {{ return(adapter.dispatch('ordered_list', 'biopharma')(expression, position, separator)) }}
{%- endmacro %}

{% macro duckdb__ordered_list(expression, position, separator) -%}
    string_agg({{ expression }}, '{{ separator }}' order by {{ position }})
{%- endmacro %}

{% macro default__ordered_list(expression, position, separator) -%}
    listagg({{ expression }}, '{{ separator }}') within group (order by {{ position }})
{%- endmacro %}

{# Union of texts that hold values separated by commas, in the same form; null where all are null. #}
{% macro merge_lists(expressions) -%}
    {{ return(adapter.dispatch('merge_lists', 'biopharma')(expressions)) }}
{%- endmacro %}

{% macro duckdb__merge_lists(expressions) -%}
    nullif(array_to_string(list_sort(list_distinct(list_filter(
        string_split(concat_ws(',', {{ expressions | join(', ') }}), ','), lambda part: part <> ''
    ))), ','), '')
{%- endmacro %}

{% macro default__merge_lists(expressions) -%}
    nullif(array_join(array_sort(array_distinct(filter(
        split(concat_ws(',', {{ expressions | join(', ') }}), ','), part -> part <> ''
    ))), ','), '')
{%- endmacro %}

{# A sum of amounts, the same to the last digit whatever the order in which rows come: to a millionth, as decimals. #}
{% macro exact_sum(expression) -%}
    cast(sum(cast({{ expression }} as decimal(38, 6))) as double)
{%- endmacro %}

{# A number as text with thousands separators and a fixed number of decimals. #}
{% macro format_decimals(expression, decimals) -%}
    {{ return(adapter.dispatch('format_decimals', 'biopharma')(expression, decimals)) }}
{%- endmacro %}

{% macro duckdb__format_decimals(expression, decimals) -%}
    format('{:,.{{ decimals }}f}', cast({{ expression }} as double))
{%- endmacro %}

{% macro default__format_decimals(expression, decimals) -%}
    format_number(cast({{ expression }} as double), {{ decimals }})
{%- endmacro %}

{# The part of a text that a regular expression matches (its first group); null where it does not match. #}
{% macro regexp_part(expression, pattern) -%}
    {{ return(adapter.dispatch('regexp_part', 'biopharma')(expression, pattern)) }}
{%- endmacro %}

{% macro duckdb__regexp_part(expression, pattern) -%}
    nullif(regexp_extract({{ expression }}, '{{ pattern }}', 1), '')
{%- endmacro %}

{% macro default__regexp_part(expression, pattern) -%}
    nullif(regexp_extract({{ expression }}, '{{ pattern | replace("\\", "\\\\") }}', 1), '')
{%- endmacro %}

{# Whole days from one date to another. #}
{% macro days_between(first, last) -%}
    {{ return(adapter.dispatch('days_between', 'biopharma')(first, last)) }}
{%- endmacro %}

{% macro duckdb__days_between(first, last) -%}
    (cast({{ last }} as date) - cast({{ first }} as date))
{%- endmacro %}

{% macro default__days_between(first, last) -%}
    datediff(cast({{ last }} as date), cast({{ first }} as date))
{%- endmacro %}

{# A quantile of a group, interpolated between neighbours; null where the group is empty. #}
{% macro quantile(expression, share) -%}
    {{ return(adapter.dispatch('quantile', 'biopharma')(expression, share)) }}
{%- endmacro %}

{% macro duckdb__quantile(expression, share) -%}
    quantile_cont({{ expression }}, {{ share }})
{%- endmacro %}

{% macro default__quantile(expression, share) -%}
    percentile_cont({{ share }}) within group (order by {{ expression }})
{%- endmacro %}

{# A relation with one row for each part of a text column, in the column `part`; a row without the text is left out. #}
{% macro split_rows(relation, column, separator) -%}
    {{ return(adapter.dispatch('split_rows', 'biopharma')(relation, column, separator)) }}
{%- endmacro %}

{% macro duckdb__split_rows(relation, column, separator) -%}
    (select *, unnest(string_split({{ column }}, '{{ separator }}')) as part from {{ relation }})
{%- endmacro %}

{% macro default__split_rows(relation, column, separator) -%}
    (select *, explode(split({{ column }}, '{{ separator | replace("|", "\\\\|") }}')) as part from {{ relation }})
{%- endmacro %}

{# Tables of Parquet hold no constraints: those of the contracts are enforced where DuckDB builds, and the parity test
   holds Spark's marts against these. #}
{% macro spark__persist_constraints(relation, model) -%}
{%- endmacro %}
