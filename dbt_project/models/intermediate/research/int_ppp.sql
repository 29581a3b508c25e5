-- Purchasing power parity for GDP by country and year, in units of national currency per international dollar.
select
    area_code as country_iso3,
    cast(extract(year from period_start) as int) as year,
    value as ppp_lcu_per_usd,
    source_code,
    edition_id
from {{ ref('stg_reference_rate') }}
where
    series_code = 'ppp_gdp'
    and area_kind = 'country'
    and value > 0
    and source_code = '{{ var('price_level_source') }}'
