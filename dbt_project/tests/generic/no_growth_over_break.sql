{# A window with a break, a gap or an unusable series is not comparable and says why; a break has no growth. #}
{% test no_growth_over_break(model) %}
select *
from {{ model }}
where
    ((has_break or n_obs < n_expected or not is_usable) and is_comparable)
    or (has_break and cagr_real is not null)
    or (not is_usable and cagr_real is not null)
    or (is_comparable and cagr_real is null)
    or is_comparable <> (reason_code is null)
{% endtest %}
