-- Growth per year of every series over every window, in constant national prices and, as the trap it is, in current
-- international dollars. Growth is null over a break, over a missing end year, and for an unusable series.
with observed as (
    select
        windows.basis,
        windows.series_source,
        windows.country_iso3,
        windows.lens,
        windows.activity_code,
        windows.criteria,
        windows.measure,
        windows.window_id,
        windows.first_year,
        windows.last_year,
        series.year,
        series.rnd_lcu_constant,
        series.rnd_usd_ppp,
        series.rnd_lcu,
        series.status,
        series.series_break,
        series.is_usable,
        series.unusable_reason,
        series.source_code,
        series.edition_id,
        series.deflator_source_code,
        series.deflator_edition_id,
        case when series.rnd_lcu_constant > 0 then ln(series.rnd_lcu_constant) end as log_value
    from {{ ref('int_rnd_window') }} as windows
    inner join {{ ref('int_rnd_series') }} as series
        on series.basis = windows.basis
        and series.series_source = windows.series_source
        and series.country_iso3 = windows.country_iso3
        and series.lens = windows.lens
        and series.activity_code = windows.activity_code
        and series.criteria = windows.criteria
        and series.measure = windows.measure
        and series.year between windows.first_year and windows.last_year
),

gathered as (
    select
        basis,
        series_source,
        country_iso3,
        lens,
        activity_code,
        criteria,
        measure,
        window_id,
        first_year,
        last_year,
        count(rnd_lcu) as n_obs,
        count(log_value) as n_real,
        count(case when status not in ('reported', 'derived') and rnd_lcu is not null then 1 end) as n_estimated,
        coalesce(bool_or(series_break and year > first_year), false) as has_break,
        bool_and(is_usable) as is_usable,
        max(unusable_reason) as unusable_reason,
        max(case when year = first_year then rnd_lcu_constant end) as real_first,
        max(case when year = last_year then rnd_lcu_constant end) as real_last,
        max(case when year = first_year then rnd_usd_ppp end) as current_first,
        max(case when year = last_year then rnd_usd_ppp end) as current_last,
        regr_slope(log_value, cast(year as double)) as slope,
        regr_sxx(log_value, cast(year as double)) as sxx,
        regr_syy(log_value, cast(year as double)) as syy,
        regr_sxy(log_value, cast(year as double)) as sxy,
        {{ worst_status('status') }} as data_status,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids,
        {{ distinct_list('deflator_source_code') }} as deflator_source_codes,
        {{ distinct_list('deflator_edition_id') }} as deflator_edition_ids
    from observed
    group by
        basis, series_source, country_iso3, lens, activity_code, criteria, measure, window_id, first_year, last_year
),

judged as (
    select
        *,
        last_year - first_year + 1 as n_expected,
        case
            when not is_usable then unusable_reason
            when has_break then 'series_break'
            when current_first is null or current_last is null then 'missing_end_year'
            when real_first is null or real_last is null then 'no_deflator'
            when n_obs < last_year - first_year + 1 then 'missing_years'
        end as reason_code
    from gathered
    where n_obs > 0
)

select
    basis,
    series_source,
    country_iso3,
    lens,
    activity_code,
    criteria,
    measure,
    window_id,
    first_year,
    last_year,
    n_obs,
    n_expected,
    n_estimated,
    has_break,
    is_usable,
    reason_code is null as is_comparable,
    reason_code,
    case
        when is_usable and not has_break and real_first > 0 and real_last > 0
            then power(real_last / real_first, 1.0 / (last_year - first_year)) - 1
    end as cagr_real,
    case
        when is_usable and not has_break and current_first > 0 and current_last > 0
            then power(current_last / current_first, 1.0 / (last_year - first_year)) - 1
    end as cagr_current_usd_ppp,
    case when is_usable and not has_break and n_real >= 3 then exp(slope) - 1 end as loglinear_real,
    case
        when is_usable and not has_break and n_real >= 3
            then sqrt(greatest(syy - sxy * sxy / nullif(sxx, 0), 0.0) / (n_real - 2) / nullif(sxx, 0))
    end as loglinear_real_se,
    data_status,
    {{ merge_lists(['source_codes', 'deflator_source_codes']) }} as source_codes,
    {{ merge_lists(['edition_ids', 'deflator_edition_ids']) }} as edition_ids
from judged
