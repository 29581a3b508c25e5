-- The value with which a country of the panel would enter the composite index: its newest one, if it is not too old.
with newest as (
    select
        indicator_id,
        country_iso3,
        max(year) as year
    from {{ ref('int_indicator_observation') }}
    where
        is_in_panel
        and value is not null
        and year >= {{ var('composite_year') }} - {{ var('composite_max_age') }}
    group by indicator_id, country_iso3
)

select
    observed.indicator_id,
    observed.country_iso3,
    observed.year,
    observed.value,
    observed.data_status,
    observed.source_codes,
    observed.edition_ids,
    indicator.pillar,
    indicator.position,
    indicator.direction
from newest
inner join {{ ref('int_indicator_observation') }} as observed
    on observed.indicator_id = newest.indicator_id
    and observed.country_iso3 = newest.country_iso3
    and observed.year = newest.year
inner join {{ source('vocabulary', 'indicator') }} as indicator
    on indicator.indicator_id = newest.indicator_id
