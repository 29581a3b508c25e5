select
    cast(growth.country_iso3 as string) as country_iso3,
    cast(country.name_en as string) as country_name_en,
    country.is_focus,
    cast(growth.basis as string) as basis,
    cast(growth.series_source as string) as series_source,
    growth.series_source = '{{ var('headline_rnd_source') }}' as is_headline_series,
    cast(growth.lens as string) as lens,
    cast(growth.activity_code as string) as activity_code,
    cast(growth.criteria as string) as criteria,
    cast(growth.measure as string) as measure,
    cast(growth.window_id as string) as window_id,
    cast(growth.first_year as int) as first_year,
    cast(growth.last_year as int) as last_year,
    cast(growth.cagr_real as double) as cagr_real,
    cast(growth.loglinear_real as double) as loglinear_real,
    cast(growth.loglinear_real_se as double) as loglinear_real_se,
    cast(growth.cagr_current_usd_ppp as double) as cagr_current_usd_ppp,
    cast(growth.n_obs as int) as n_obs,
    cast(growth.n_expected as int) as n_expected,
    cast(growth.n_estimated as int) as n_estimated,
    growth.has_break,
    growth.is_usable,
    growth.is_comparable,
    cast(growth.reason_code as string) as reason_code,
    cast(cast(growth.n_obs as double) / nullif(growth.n_expected, 0) as double) as coverage_share,
    cast(growth.data_status as string) as data_status,
    cast(max(case when growth.window_id = 'last_five' then growth.last_year end) over (
        partition by growth.basis, growth.series_source, growth.country_iso3, growth.lens, growth.activity_code
    ) as int) as last_data_year,
    cast('cagr_constant_national_prices,cagr_current_ppp,lens_territory,loglinear_real' as string) as definition_ids,
    cast(growth.source_codes as string) as source_codes,
    cast(growth.edition_ids as string) as edition_ids
from {{ ref('int_rnd_growth') }} as growth
left join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = growth.country_iso3
order by
    growth.activity_code nulls last,
    growth.basis nulls last,
    growth.series_source nulls last,
    growth.first_year nulls last,
    growth.last_year nulls last,
    growth.window_id nulls last,
    growth.cagr_real desc nulls last,
    growth.country_iso3 nulls last
