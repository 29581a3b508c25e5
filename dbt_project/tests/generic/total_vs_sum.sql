{# A total and the sum of its parts agree within a relative tolerance; rows without one of them are left out. #}
{% test total_vs_sum(model, total, parts, where='true', tolerance=1e-9) %}
select *
from {{ model }}
where {{ where }} and abs({{ total }} - {{ parts }}) > {{ tolerance }} * greatest(abs({{ total }}), abs({{ parts }}))
{% endtest %}
