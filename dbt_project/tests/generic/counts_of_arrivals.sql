{# Those that have come and those that have not make up all, the lost are among those that have not, and shares and medians
   run from low to high, more coming within five years than within one. #}
{% test counts_of_arrivals(model) %}
select *
from {{ model }}
where
    n_available + n_censored <> n_substances
    or n_lost > n_censored
    or lag_median_low_days > lag_median_high_days
    or share_within_1_year_low > share_within_1_year_high + 1e-9
    or share_within_5_years_low > share_within_5_years_high + 1e-9
    or share_within_1_year_low > share_within_5_years_low + 1e-9
    or (share_within_1_year_low is null) <> (share_within_1_year_high is null)
    or (share_within_5_years_low is null) <> (share_within_5_years_high is null)
    or share_within_5_years_high > 1 + 1e-9
    or share_within_1_year_low < -1e-9
{% endtest %}
