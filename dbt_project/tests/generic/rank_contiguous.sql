{# Ranks of every partition are 1 to N without gap or repetition, and the value never rises with the rank. #}
{% test rank_contiguous(model, rank, partition_by, value) %}
select
    {{ partition_by | join(', ') }},
    {{ rank }},
    {{ value }}
from (
    select
        {{ partition_by | join(', ') }},
        {{ rank }},
        {{ value }},
        row_number() over (partition by {{ partition_by | join(', ') }} order by {{ rank }}) as rank_expected,
        lag({{ value }}) over (partition by {{ partition_by | join(', ') }} order by {{ rank }}) as value_before
    from {{ model }}
) as ordered
where {{ rank }} is null or {{ rank }} <> rank_expected or {{ value }} > value_before
{% endtest %}
