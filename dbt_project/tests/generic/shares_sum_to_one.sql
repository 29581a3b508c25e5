{# Shares of every partition add up to one; a partition without any share is left out. #}
{% test shares_sum_to_one(model, column, partition_by, where='true', tolerance=1e-9) %}
select
    {{ partition_by | join(', ') }},
    sum({{ column }}) as share_sum
from {{ model }}
where {{ where }} and {{ column }} is not null
group by {{ partition_by | join(', ') }}
having abs(sum({{ column }}) - 1) > {{ tolerance }}
{% endtest %}
