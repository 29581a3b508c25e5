-- Business R&D by country, lens, basis, activity and year, in national currency and in international dollars.
-- basis: `international_statistics` (published in current international dollars, turned back into national currency
-- with the same year's parity), `national_survey` (published in national currency), `gdp_share` (published as a share
-- of GDP only). They stand side by side, by publisher, and are never added or spliced.
{% set base = var('constant_price_year') %}
with published as (
    select
        *,
        -- Japan's industry 165 (JSIC) and ISIC C21 are both the manufacture of pharmaceuticals.
        case when activity_scheme = 'JSIC' and activity_code = '165' then 'C21' else activity_code end
            as common_activity_code
    from {{ ref('stg_rnd_observation') }}
    where entity_kind = 'country' and price_base in ('current', 'none')
),

observations as (
    select
        case
            when unit = 'usd_ppp' then 'international_statistics'
            when unit = 'share' then 'gdp_share'
            else 'national_survey'
        end as basis,
        entity_code as country_iso3,
        lens,
        activity_scheme,
        activity_code as activity_code_as_published,
        common_activity_code as activity_code,
        criteria,
        measure,
        cast(extract(year from period_start) as int) as year,
        period_basis,
        unit,
        currency,
        value,
        status,
        series_break,
        publisher_flags,
        source_code,
        edition_id
    from published
    where
        (measure = 'berd' and common_activity_code = 'C21' and unit in ('usd_ppp', 'national_currency'))
        or measure = 'gerd_gdp_share'
),

priced as (
    select
        observations.*,
        ppp.ppp_lcu_per_usd,
        base_ppp.ppp_lcu_per_usd as base_ppp_lcu_per_usd,
        deflator.deflator_index,
        ppp.source_code as ppp_source_code,
        ppp.edition_id as ppp_edition_id,
        deflator.source_code as deflator_source_code,
        deflator.edition_id as deflator_edition_id
    from observations
    left join {{ ref('int_ppp') }} as ppp
        on ppp.country_iso3 = observations.country_iso3
        and ppp.year = observations.year
        and observations.unit <> 'share'
    left join {{ ref('int_ppp') }} as base_ppp
        on base_ppp.country_iso3 = observations.country_iso3
        and base_ppp.year = {{ base }}
        and observations.unit <> 'share'
    left join {{ ref('int_deflator_index') }} as deflator
        on deflator.country_iso3 = observations.country_iso3
        and deflator.year = observations.year
        and observations.unit <> 'share'
),

in_currency as (
    select
        *,
        case basis
            when 'international_statistics' then value * ppp_lcu_per_usd
            when 'national_survey' then value
        end as rnd_lcu,
        case basis
            when 'international_statistics' then value
            when 'national_survey' then value / nullif(ppp_lcu_per_usd, 0)
        end as rnd_usd_ppp,
        case when basis = 'gdp_share' then value end as share_gdp
    from priced
)

select
    in_currency.basis,
    in_currency.source_code as series_source,
    in_currency.source_code = '{{ var('headline_rnd_source') }}' as is_headline_series,
    in_currency.country_iso3,
    in_currency.year,
    in_currency.period_basis,
    in_currency.lens,
    in_currency.activity_scheme,
    in_currency.activity_code_as_published,
    in_currency.activity_code,
    in_currency.criteria,
    in_currency.measure,
    in_currency.currency,
    in_currency.rnd_usd_ppp,
    in_currency.rnd_lcu,
    in_currency.rnd_lcu / nullif(in_currency.deflator_index, 0) as rnd_lcu_constant,
    in_currency.rnd_lcu / nullif(in_currency.deflator_index, 0) / nullif(in_currency.base_ppp_lcu_per_usd, 0)
        as rnd_usd_ppp_constant,
    in_currency.share_gdp,
    in_currency.ppp_lcu_per_usd,
    in_currency.deflator_index,
    coalesce(caveat.effect, '') <> 'unusable' as is_usable,
    case when caveat.effect = 'unusable' then caveat.reason_code end as unusable_reason,
    in_currency.status,
    in_currency.series_break or reviewed.effect is not null as series_break,
    in_currency.publisher_flags,
    in_currency.source_code,
    in_currency.edition_id,
    in_currency.ppp_source_code,
    in_currency.ppp_edition_id,
    in_currency.deflator_source_code,
    in_currency.deflator_edition_id
from in_currency
left join {{ source('vocabulary', 'series_caveat') }} as caveat
    on caveat.source_code = in_currency.source_code
    and caveat.entity_code = in_currency.country_iso3
    and caveat.series_code = in_currency.activity_code
    and in_currency.year between caveat.first_year and coalesce(caveat.last_year, 9999)
    and caveat.effect = 'unusable'
left join {{ source('vocabulary', 'series_caveat') }} as reviewed
    on reviewed.source_code = in_currency.source_code
    and reviewed.entity_code = in_currency.country_iso3
    and reviewed.series_code = in_currency.activity_code
    and reviewed.first_year = in_currency.year
    and reviewed.effect = 'break'
