-- Production, imports and exports of a basket's categories in one survey, by year, in the survey's currency. A sum in
-- which a category of the basket is missing (confidential, or not published) is a lower bound.
with observations as (
    select
        *,
        cast(extract(year from period_start) as int) as year
    from {{ ref('stg_production_observation') }}
    where period_basis <> 'month' and measure in ('production', 'imports', 'exports') and length(unit) = 3
),

members as (
    select
        basket_id,
        category_scheme,
        category_code,
        coalesce(first_year, 0) as first_year,
        coalesce(last_year, 9999) as last_year
    from {{ source('vocabulary', 'production_basket_code') }}
),

surveyed as (
    select distinct source_code, country_iso3, category_scheme, year, period_basis, unit
    from observations
),

-- How many categories make up the basket in the year.
sizes as (
    select
        members.basket_id,
        surveyed.source_code,
        surveyed.country_iso3,
        surveyed.year,
        surveyed.period_basis,
        surveyed.unit,
        count(*) as n_categories
    from surveyed
    inner join members
        on members.category_scheme = surveyed.category_scheme
        and surveyed.year between members.first_year and members.last_year
    group by
        members.basket_id, surveyed.source_code, surveyed.country_iso3, surveyed.year, surveyed.period_basis,
        surveyed.unit
),

summed as (
    select
        members.basket_id,
        observations.source_code,
        observations.country_iso3,
        observations.year,
        observations.period_basis,
        observations.unit,
        sum(case when observations.measure = 'production' then observations.value end) as production_value,
        sum(case when observations.measure = 'imports' then observations.value end) as import_value,
        sum(case when observations.measure = 'exports' then observations.value end) as export_value,
        count(distinct case
            when observations.measure = 'production' and observations.value is not null
                then observations.category_code
        end) as n_categories_present,
        max(case when observations.series_break then 1 else 0 end) = 1 as series_break,
        max(case when caveat.effect is not null then 1 else 0 end) = 1 as is_back_solved,
        {{ worst_status('observations.status') }} as data_status,
        {{ distinct_list('observations.edition_id') }} as edition_ids
    from observations
    inner join members
        on members.category_scheme = observations.category_scheme
        and members.category_code = observations.category_code
        and observations.year between members.first_year and members.last_year
    left join {{ source('vocabulary', 'series_caveat') }} as caveat
        on caveat.source_code = observations.source_code
        and caveat.entity_code = observations.country_iso3
        and caveat.series_code = observations.category_code
        and caveat.effect = 'back_solved'
        and observations.measure = 'production'
        and observations.year between caveat.first_year and coalesce(caveat.last_year, 9999)
    group by
        members.basket_id, observations.source_code, observations.country_iso3, observations.year,
        observations.period_basis, observations.unit
)

select
    summed.*,
    sizes.n_categories,
    max(case when summed.import_value is not null then 1 else 0 end) over (
        partition by summed.basket_id, summed.source_code
    ) = 1 as has_trade_in_survey
from summed
inner join sizes
    on sizes.basket_id = summed.basket_id
    and sizes.source_code = summed.source_code
    and sizes.country_iso3 = summed.country_iso3
    and sizes.year = summed.year
    and sizes.period_basis = summed.period_basis
    and sizes.unit = summed.unit
