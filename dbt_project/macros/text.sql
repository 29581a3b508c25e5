{# Figures in sentences: at most three significant digits, thousands separated. #}

{% macro text_number(expression) -%}
    case
        when {{ expression }} is null then 'unknown'
        when abs({{ expression }}) >= 100
            then {{ format_decimals('round(' ~ expression ~ ' / power(10.0, floor(log10(abs(' ~ expression ~ '))) - 2))'
                ~ ' * power(10.0, floor(log10(abs(' ~ expression ~ '))) - 2)', 0) }}
        when abs({{ expression }}) >= 10 then {{ format_decimals(expression, 1) }}
        else {{ format_decimals(expression, 2) }}
    end
{%- endmacro %}

{# A count in full. #}
{% macro text_count(expression) -%}
    coalesce({{ format_decimals(expression, 0) }}, 'no')
{%- endmacro %}

{# A share (0 to 1) as a percentage with one decimal. #}
{% macro text_percent(expression) -%}
    coalesce({{ format_decimals('100.0 * (' ~ expression ~ ')', 1) }} || ' %', 'unknown')
{%- endmacro %}

{# A share that a document states: without the decimal that it does not print. #}
{% macro text_stated_percent(expression) -%}
    replace({{ text_percent(expression) }}, '.0 %', ' %')
{%- endmacro %}

{# A rate of change per year, with its sign. #}
{% macro text_rate(expression) -%}
    coalesce(
        case when ({{ expression }}) >= 0 then '+' else '' end
        || {{ format_decimals('100.0 * (' ~ expression ~ ')', 1) }} || ' % a year',
        'unknown'
    )
{%- endmacro %}

{# An amount of yen in billions. #}
{% macro text_jpy_bn(expression) -%}
    'JPY ' || {{ text_number('((' ~ expression ~ ') / 1e9)') }} || ' bn'
{%- endmacro %}
