{# 0 <= low <= high <= 1, and low equals high exactly where everything is known and nothing is mixed. #}
{% test interval_order(model, low, high, coverage, mixed, tolerance=1e-9) %}
select *
from {{ model }}
where
    {{ low }} is null
    or {{ high }} is null
    or {{ low }} < -{{ tolerance }}
    or {{ low }} > {{ high }} + {{ tolerance }}
    or {{ high }} > 1 + {{ tolerance }}
    or (abs({{ high }} - {{ low }}) <= {{ tolerance }})
        <> (abs({{ coverage }} - 1) <= {{ tolerance }} and {{ mixed }} <= {{ tolerance }})
{% endtest %}
