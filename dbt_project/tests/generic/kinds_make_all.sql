{# Counts by kind add up to the count of the kind `all` of the same partition; kinds that stand apart are left out. #}
{% test kinds_make_all(model, count, kind, partition_by, apart=[]) %}
select
    {{ partition_by | join(', ') }},
    sum(case when {{ kind }} = 'all' then {{ count }} end) as count_of_all,
    sum(case when {{ kind }} not in ('all'{% for name in apart %}, '{{ name }}'{% endfor %}) then {{ count }} end)
        as count_of_kinds
from {{ model }}
where {{ count }} is not null
group by {{ partition_by | join(', ') }}
having
    coalesce(sum(case when {{ kind }} = 'all' then {{ count }} end), 0)
    <> coalesce(sum(case when {{ kind }} not in ('all'{% for name in apart %}, '{{ name }}'{% endfor %}) then {{ count }} end), 0)
{% endtest %}
