{# 1 <= low <= middle <= high <= number of ranks; rows without a rank are left out. #}
{% test rank_interval(model, low, middle, high, n_ranks) %}
select *
from {{ model }}
where
    {{ middle }} is not null
    and (
        {{ low }} is null
        or {{ high }} is null
        or {{ low }} < 1
        or {{ low }} > {{ middle }}
        or {{ middle }} > {{ high }}
        or {{ high }} > {{ n_ranks }}
    )
{% endtest %}
