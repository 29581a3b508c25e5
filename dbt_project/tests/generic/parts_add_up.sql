{# Parts of a change add up to it, wherever there is one; a missing part counts nothing. #}
{% test parts_add_up(model, total, parts, tolerance=1e-9) %}
select *
from {{ model }}
where
    {{ total }} is not null
    and abs({{ total }}{% for part in parts %} - coalesce({{ part }}, 0){% endfor %})
        > {{ tolerance }} * (1 + abs({{ total }}){% for part in parts %} + abs(coalesce({{ part }}, 0)){% endfor %})
{% endtest %}
