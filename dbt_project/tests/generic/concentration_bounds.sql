{# Concentration lies between that of equal shares and that of a single firm, and bounds are in order. #}
{% test concentration_bounds(model, tolerance=1e-9) %}
select *
from {{ model }}
where
    hhi_listed < 1.0 / nullif(n_listed, 0) - {{ tolerance }}
    or hhi_listed > 1 + {{ tolerance }}
    or hhi_bound_low > hhi_bound_high + {{ tolerance }}
    or hhi_bound_high > 1 + {{ tolerance }}
    or (is_in_listed_set and not (is_cdmo_perimeter and fact_kind = 'actual' and metric = 'revenue'))
    or (share_of_listed is not null and not is_in_listed_set)
{% endtest %}
