{# An index adds up to zero within every partition, up to rounding; a partition with a missing value is left out. #}
{% test zero_sums(model, column, partition_by, where='true', tolerance=1e-9) %}
select
    {{ partition_by | join(', ') }},
    sum({{ column }}) as total
from {{ model }}
where {{ where }}
group by {{ partition_by | join(', ') }}
having count(*) = count({{ column }}) and abs(sum({{ column }})) > {{ tolerance }}
{% endtest %}
