{# Growth over a window is the chain of the growths over two windows that make it up. #}
{% test growth_consistency(model, column, partition_by, tolerance=1e-9) %}
select
    whole.window_id,
    whole.{{ column }} as growth_whole,
    one.{{ column }} as growth_one,
    two.{{ column }} as growth_two
from {{ model }} as whole
inner join {{ model }} as one
    on one.first_year = whole.first_year
    and one.last_year < whole.last_year
    {%- for name in partition_by %}
    and one.{{ name }} is not distinct from whole.{{ name }}
    {%- endfor %}
inner join {{ model }} as two
    on two.first_year = one.last_year
    and two.last_year = whole.last_year
    {%- for name in partition_by %}
    and two.{{ name }} is not distinct from whole.{{ name }}
    {%- endfor %}
where
    abs(
        power(1 + whole.{{ column }}, whole.last_year - whole.first_year)
        / nullif(
            power(1 + one.{{ column }}, one.last_year - one.first_year)
            * power(1 + two.{{ column }}, two.last_year - two.first_year), 0
        ) - 1
    ) > {{ tolerance }}
{% endtest %}
