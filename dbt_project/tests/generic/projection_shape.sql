{# Every path starts at its base, grows by its own rate, and is a forecast. #}
{% test projection_shape(model, tolerance=1e-9) %}
select *
from {{ model }}
where
    market_jpy is null
    or abs(market_jpy / nullif(base_jpy * power(1 + growth_share_per_year, years_from_base), 0) - 1) > {{ tolerance }}
    or year <> base_year + years_from_base
    or data_status <> 'forecast'
{% endtest %}
