-- Growth windows of every series: the fixed ones of the project, and the last five years of growth of the series.
with series as (
    select
        basis,
        series_source,
        country_iso3,
        lens,
        activity_code,
        criteria,
        measure,
        max(case when rnd_lcu is not null then year end) as last_year
    from {{ ref('int_rnd_series') }}
    where basis <> 'gdp_share'
    group by basis, series_source, country_iso3, lens, activity_code, criteria, measure
),

fixed_windows as (
    {% for first, last in var('growth_windows') -%}
    select '{{ first }}-{{ last }}' as window_id, {{ first }} as first_year, {{ last }} as last_year
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    series.basis,
    series.series_source,
    series.country_iso3,
    series.lens,
    series.activity_code,
    series.criteria,
    series.measure,
    fixed_windows.window_id,
    fixed_windows.first_year,
    fixed_windows.last_year
from series
cross join fixed_windows
union all
select
    basis,
    series_source,
    country_iso3,
    lens,
    activity_code,
    criteria,
    measure,
    'last_five' as window_id,
    last_year - 5 as first_year,
    last_year
from series
where last_year is not null
