{# A lag's early end is not after its late end, neither is negative, and only what has not come has no late end while its
   first approval is known. #}
{% test interval_of_days(model) %}
select *
from {{ model }}
where
    lag_low_days < 0
    or lag_low_days > lag_high_days
    or available_from > available_to
    or is_available <> (available_to is not null)
    or is_available = is_right_censored
    or (is_available and first_anywhere_on is not null and lag_high_days is null)
    or (first_anywhere_on is null and coalesce(lag_low_days, lag_high_days) is not null)
    or (is_lost and is_available)
{% endtest %}
