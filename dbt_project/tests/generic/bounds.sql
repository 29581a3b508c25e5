{# Values lie within bounds, up to rounding; nulls are left out. #}
{% test bounds(model, column, low, high, tolerance=1e-9) %}
select *
from {{ model }}
where {{ column }} < {{ low }} - {{ tolerance }} or {{ column }} > {{ high }} + {{ tolerance }}
{% endtest %}
