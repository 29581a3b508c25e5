{# Two publishers agree: a ratio is one within the tolerance; nulls are left out. #}
{% test ratio_near_one(model, column, tolerance) %}
select *
from {{ model }}
where abs({{ column }} - 1) > {{ tolerance }}
{% endtest %}
