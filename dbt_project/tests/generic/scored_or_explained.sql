{# A row has a figure or the reason why it has none, never both and never neither. #}
{% test scored_or_explained(model, column) %}
select *
from {{ model }}
where ({{ column }} is null) = (reason_code is null)
{% endtest %}
