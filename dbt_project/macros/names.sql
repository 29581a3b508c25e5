{# A name as the vocabulary compares it: lower case, without blanks. (Publishers' names are NFKC since ingestion.) #}
{% macro comparable_name(expression) -%}
    lower(replace(replace({{ expression }}, ' ', ''), '　', ''))
{%- endmacro %}

{# Condition that joins a row of int_company_parent, as `parent`, to a company as of a day. #}
{% macro parent_as_of(company_id, day, parent='parent') -%}
    {{ parent }}.company_id = {{ company_id }}
    and {{ day }} >= {{ parent }}.valid_from
    and {{ day }} < {{ parent }}.valid_to
{%- endmacro %}
