-- GDP deflator of each country, chained from the publisher's yearly growth, one in the constant-price year.
-- A year without growth ends the chain: only the unbroken run that holds the constant-price year has an index.
{% set base = var('constant_price_year') %}
with growth as (
    select
        area_code as country_iso3,
        cast(extract(year from period_start) as int) as year,
        value as growth_share,
        source_code,
        edition_id
    from {{ ref('stg_reference_rate') }}
    where
        series_code = 'gdp_deflator_growth'
        and area_kind = 'country'
        and value > -1
        and source_code = '{{ var('price_level_source') }}'
),

runs as (
    select
        *,
        year - row_number() over (partition by country_iso3 order by year) as run
    from growth
),

chained as (
    select
        *,
        exp(sum(ln(1 + growth_share)) over (partition by country_iso3, run order by year)) as level
    from runs
),

based as (
    select
        country_iso3, run, level as base_level
    from chained
    where year = {{ base }}
)

select
    chained.country_iso3,
    chained.year,
    chained.level / nullif(based.base_level, 0) as deflator_index,
    chained.source_code,
    chained.edition_id
from chained
inner join based
    on based.country_iso3 = chained.country_iso3
    and based.run = chained.run
