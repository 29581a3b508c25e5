{# Standing of values. A value that is worked out takes the worst standing of its inputs, and at least `derived`.
   Suppressed inputs have no value, so they lower the coverage and not the standing. #}

{% macro status_rank(expression) -%}
    case {{ expression }}
        when 'reported' then 0 when 'derived' then 1 when 'provisional' then 2
        when 'estimated' then 3 when 'imputed' then 4 when 'forecast' then 5
    end
{%- endmacro %}

{% macro status_of_rank(expression) -%}
    case {{ expression }}
        when 0 then 'reported' when 1 then 'derived' when 2 then 'provisional'
        when 3 then 'estimated' when 4 then 'imputed' when 5 then 'forecast'
    end
{%- endmacro %}

{# Worst standing in a group; null where the group has nothing but suppressed values. #}
{% macro worst_status(expression, at_least='derived') -%}
    {{ status_of_rank('greatest(max(' ~ status_rank(expression) ~ '), ' ~ status_rank("'" ~ at_least ~ "'") ~ ')') }}
{%- endmacro %}

{# Worst of several standings in one row; missing ones are left out. #}
{% macro worse_status(expressions) -%}
    {%- set ranks = [] -%}
    {%- for expression in expressions -%}
        {%- do ranks.append('coalesce(' ~ status_rank(expression) ~ ', 0)') -%}
    {%- endfor -%}
    {# A single standing is the worst there is; Spark's greatest wants two. #}
    {{ status_of_rank('greatest(' ~ (ranks | join(', ')) ~ ')' if ranks | length > 1 else ranks[0]) }}
{%- endmacro %}
