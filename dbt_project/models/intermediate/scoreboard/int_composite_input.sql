-- What the composite index is made of: values of the selected indicators for the ranked countries, before treatment.
select
    latest.indicator_id,
    latest.country_iso3,
    latest.pillar,
    latest.position,
    latest.direction,
    latest.year,
    latest.value
from {{ ref('int_indicator_latest') }} as latest
inner join {{ ref('int_indicator_selection') }} as selection
    on selection.indicator_id = latest.indicator_id
    and selection.is_selected
inner join {{ ref('int_composite_country') }} as country
    on country.country_iso3 = latest.country_iso3
    and country.reason_code is null
