{# An amount and its conversion agree with the rate in the same row, and neither stands without the other. #}
{% test amounts_at_the_rate(model, amount, converted, rate, tolerance=1e-9) %}
select *
from {{ model }}
where
    ({{ amount }} is null) <> ({{ converted }} is null)
    or abs({{ converted }} * {{ rate }} / nullif({{ amount }}, 0) - 1) > {{ tolerance }}
    or ({{ converted }} is not null and {{ rate }} is null)
{% endtest %}
