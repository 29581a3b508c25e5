{# Within a group, z-scores have mean 0 and standard deviation 1, min-max scores reach 0 and 100, and the best rank is 1
   and belongs to the best score. Groups without spread have no scores. #}
{% test standard_scores(model, partition_by) %}
with scored as (
    select
        {{ partition_by | join(', ') }},
        avg(z_score) as mean_z,
        stddev_samp(z_score) as deviation_z,
        min(minmax_0_100) as lowest,
        max(minmax_0_100) as highest,
        min(rank_best_first) as best_rank,
        max(case when rank_best_first = 1 then minmax_0_100 end) as best_ranked_score,
        count(value) as n_values,
        max(n_countries) as n_countries
    from {{ model }}
    group by {{ partition_by | join(', ') }}
)

select *
from scored
where
    n_values <> n_countries
    or (n_values > 0 and best_rank <> 1)
    or abs(mean_z) > 1e-9
    or abs(deviation_z - 1) > 1e-9
    or abs(lowest) > 1e-9
    or abs(highest - 100) > 1e-9
    or abs(best_ranked_score - 100) > 1e-9
{% endtest %}
