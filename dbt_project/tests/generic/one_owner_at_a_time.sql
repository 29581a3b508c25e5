{# Periods of a company follow one another without gap and without overlap. #}
{% test one_owner_at_a_time(model) %}
with ordered as (
    select
        company_id,
        valid_from,
        valid_to,
        lead(valid_from) over (partition by company_id order by valid_from) as next_from
    from {{ model }}
)

select *
from ordered
where valid_from >= valid_to or next_from <> valid_to
{% endtest %}
