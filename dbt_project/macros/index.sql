{# Stages of a composite index in SQL. Relations are long: one row per country and item (indicator or pillar) with a
   column `value`; a missing value is null and takes no part. `groups` lists the columns within which a value is
   compared (the indicator, and the year where there are several). #}

{# All usual scales of a value, turned by the column `direction` (1 or -1) so that more is better. #}
{% macro scaled(relation, groups) -%}
{%- set by = groups | join(', ') -%}
with turned as (
    select
        *,
        value * direction as turned_value
    from {{ relation }}
),

centred as (
    select
        {{ by }},
        median(turned_value) as middle
    from turned
    group by {{ by }}
),

deviations as (
    select
        {% for column in groups %}turned.{{ column }},{% endfor %}
        max(centred.middle) as middle,
        median(abs(turned.turned_value - centred.middle)) as median_deviation
    from turned
    inner join centred
        on {% for column in groups %}centred.{{ column }} = turned.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
    group by {% for column in groups %}turned.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
),

measured as (
    select
        turned.*,
        deviations.middle,
        deviations.median_deviation,
        count(turned.turned_value) over groups_window as n_values,
        avg(turned.turned_value) over groups_window as mean_value,
        stddev_samp(turned.turned_value) over groups_window as deviation,
        min(turned.turned_value) over groups_window as worst_value,
        max(turned.turned_value) over groups_window as best_value
    from turned
    inner join deviations
        on {% for column in groups %}deviations.{{ column }} = turned.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
    window groups_window as (
        partition by {% for column in groups %}turned.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    )
)

select
    *,
    case when value is not null then
        rank() over (partition by {{ by }}, value is null order by turned_value desc)
    end as rank_best_first,
    case when value is not null then
        rank() over (partition by {{ by }}, value is null order by turned_value)
    end as rank_from_worst,
    case when value is not null then
        rank() over (partition by {{ by }}, value is null order by turned_value) - 1
    end as borda,
    case when value is not null then
        (rank() over (partition by {{ by }}, value is null order by turned_value) - 1) * 1.0 / nullif(n_values - 1, 0)
    end as percentile_rank,
    (turned_value - mean_value) / nullif(deviation, 0) as z_score,
    10 + 2 * (turned_value - mean_value) / nullif(deviation, 0) as z_score_10_2,
    (turned_value - middle) / nullif(1.4826 * median_deviation, 0) as robust_z_score,
    100 * (turned_value - worst_value) / nullif(best_value - worst_value, 0) as minmax_0_100,
    1 + 99 * (turned_value - worst_value) / nullif(best_value - worst_value, 0) as minmax_1_100
from measured
{%- endmacro %}

{# Weighted mean of a group's values; the weights of those that are not missing make up one. #}
{% macro weighted_mean(method, value, weight) -%}
{%- if method == 'arithmetic' -%}
    sum({{ value }} * {{ weight }}) / nullif(sum(case when {{ value }} is not null then {{ weight }} end), 0)
{%- elif method == 'geometric' -%}
    exp(sum(ln(case when {{ value }} > 0 then {{ value }} end) * {{ weight }})
        / nullif(sum(case when {{ value }} > 0 then {{ weight }} end), 0))
{%- elif method == 'harmonic' -%}
    nullif(sum(case when {{ value }} > 0 then {{ weight }} end), 0)
        / nullif(sum({{ weight }} / case when {{ value }} > 0 then {{ value }} end), 0)
{%- else -%}
    {{ exceptions.raise_compiler_error('there is no mean ' ~ method) }}
{%- endif -%}
{%- endmacro %}

{# Countries against each other, two by two: the share of weight under which the first beats the second. Only items
   that both have are compared, and their weights make up one, so that the two shares of a pair sum to one. #}
{% macro outranking(relation, groups, unit, item) -%}
select
    {% for column in groups %}ours.{{ column }},{% endfor %}
    ours.{{ unit }},
    theirs.{{ unit }} as other_{{ unit }},
    sum(ours.weight * case when ours.value > theirs.value then 1.0 when ours.value = theirs.value then 0.5 else 0.0 end)
        / nullif(sum(ours.weight), 0) as outranking_share
from {{ relation }} as ours
inner join {{ relation }} as theirs
    on {% for column in groups %}theirs.{{ column }} = ours.{{ column }} and {% endfor %}
    theirs.{{ item }} = ours.{{ item }}
    and theirs.{{ unit }} <> ours.{{ unit }}
where ours.value is not null and theirs.value is not null
group by
    {% for column in groups %}ours.{{ column }},{% endfor %}
    ours.{{ unit }},
    theirs.{{ unit }}
{%- endmacro %}

{# Countries beaten less countries lost to, from `outranking`. #}
{% macro copeland(outranking_share) -%}
    sum(case when {{ outranking_share }} > 0.5 then 1 when {{ outranking_share }} < 0.5 then -1 else 0 end)
{%- endmacro %}
