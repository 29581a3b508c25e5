-- Values of indicators with the zeros that complete sources imply: a country of the panel that such a source does not
-- list stands at zero in every year that the source covers.
with panel as (
    select distinct country_iso3
    from {{ ref('int_indicator_value') }}
    where
        indicator_id in ('berd_pharma_usd_ppp', 'gerd_gdp_share')
        and value is not null
        and year between {{ var('composite_year') }} - {{ var('composite_max_age') }} and {{ var('composite_year') }}
),

covered as (
    select
        listed.indicator_id,
        listed.year,
        max(listed.source_codes) as source_codes,
        max(listed.edition_ids) as edition_ids
    from {{ ref('int_indicator_value') }} as listed
    inner join {{ source('vocabulary', 'indicator') }} as indicator
        on indicator.indicator_id = listed.indicator_id
        and indicator.is_zero_when_absent
    group by listed.indicator_id, listed.year
),

zeros as (
    select
        covered.indicator_id,
        panel.country_iso3,
        covered.year,
        cast(0 as double) as value,
        cast(null as string) as reason_code,
        'derived' as data_status,
        covered.source_codes,
        covered.edition_ids,
        true as is_zero_by_absence
    from covered
    cross join panel
    left join {{ ref('int_indicator_value') }} as listed
        on listed.indicator_id = covered.indicator_id
        and listed.year = covered.year
        and listed.country_iso3 = panel.country_iso3
    where
        listed.country_iso3 is null
        and not (covered.indicator_id = 'japan_vaccine_import_share' and panel.country_iso3 = 'JPN')
),

observed as (
    select
        *,
        false as is_zero_by_absence
    from {{ ref('int_indicator_value') }}
    union all
    select * from zeros
)

select
    observed.*,
    panel.country_iso3 is not null as is_in_panel
from observed
left join panel
    on panel.country_iso3 = observed.country_iso3
