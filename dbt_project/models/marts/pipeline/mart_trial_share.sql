with trials as (
    select * from {{ ref('int_trial_modality') }}
),

sites as (
    select
        nct_id,
        country_iso3,
        count(*) as n_sites,
        sum(count(*)) over (partition by nct_id) as n_sites_of_trial
    from {{ ref('stg_trial_site') }}
    where country_iso3 is not null
    group by nct_id, country_iso3
),

placed as (
    select
        trials.*,
        sites.country_iso3,
        sites.n_sites,
        sites.n_sites * 1.0 / sites.n_sites_of_trial as weight
    from trials
    inner join sites
        on sites.nct_id = trials.nct_id
),

levels as (
    select placed.*, placed.modality as modality_shown from placed
    union all
    select placed.*, 'all' as modality_shown from placed
),

counted as (
    select
        country_iso3,
        start_year as year,
        modality_shown as modality,
        sum(weight) as n_fractional_sites,
        count(*) as n_trials,
        count(case when lead_sponsor_class = 'INDUSTRY' then 1 end) as n_trials_industry,
        count(distinct lead_sponsor_name) as n_sponsors,
        sum(n_sites) as n_sites,
        {{ worst_status('status') }} as data_status,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from levels
    group by country_iso3, start_year, modality_shown
),

shared as (
    select
        counted.*,
        sum(n_fractional_sites) over (partition by year, modality) as n_world
    from counted
),

lineage as (
    select
        count(*) as n_trials,
        cast(extract(year from max(published_on)) as int) as last_data_year,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from {{ ref('stg_trial') }}
),

countries as (
    select distinct country_iso3
    from counted
),

-- Without trials, the countries that readers compare have a row that says so.
gaps as (
    select
        country.iso3 as country_iso3,
        cast(null as int) as year,
        'all' as modality,
        lineage.source_codes,
        lineage.edition_ids,
        lineage.last_data_year,
        case when lineage.n_trials = 0 then 'no_trials_at_hand' else 'no_trial_of_biologics' end as reason_code
    from {{ source('vocabulary', 'country') }} as country
    cross join lineage
    left join countries
        on countries.country_iso3 = country.iso3
    where country.is_focus and not country.is_aggregate and countries.country_iso3 is null
),

rows_of_mart as (
    select
        country_iso3, year, modality, n_fractional_sites, n_world, n_trials, n_trials_industry, n_sponsors, n_sites,
        cast(null as string) as reason_code, data_status, year as last_data_year, source_codes, edition_ids
    from shared
    union all
    select
        country_iso3, year, modality, null as n_fractional_sites, null as n_world, null as n_trials,
        null as n_trials_industry, null as n_sponsors, null as n_sites, reason_code, 'reported' as data_status,
        last_data_year, source_codes, edition_ids
    from gaps
)

select
    cast(rows_of_mart.country_iso3 as string) as country_iso3,
    cast(country.name_en as string) as country_name_en,
    cast(rows_of_mart.year as int) as year,
    cast(rows_of_mart.modality as string) as modality,
    cast(rows_of_mart.n_fractional_sites as double) as n_fractional_sites,
    cast(rows_of_mart.n_fractional_sites / nullif(rows_of_mart.n_world, 0) as double) as share_of_trials,
    cast(rows_of_mart.n_trials as int) as n_trials,
    cast(rows_of_mart.n_trials_industry as int) as n_trials_industry,
    cast(rows_of_mart.n_sponsors as int) as n_sponsors,
    cast(rows_of_mart.n_sites as int) as n_sites,
    cast(rows_of_mart.n_world as double) as n_world,
    cast(rows_of_mart.reason_code as string) as reason_code,
    cast(rows_of_mart.data_status as string) as data_status,
    cast(max(rows_of_mart.last_data_year) over () as int) as last_data_year,
    cast('modality_by_name,trial_by_name,trial_fractional_sites' as string) as definition_ids,
    cast(coalesce(rows_of_mart.source_codes, 'clinicaltrials') as string) as source_codes,
    cast(rows_of_mart.edition_ids as string) as edition_ids
from rows_of_mart
left join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = rows_of_mart.country_iso3
order by
    rows_of_mart.year desc nulls last,
    case rows_of_mart.modality when 'all' then 1 else 2 end nulls last,
    rows_of_mart.modality nulls last,
    rows_of_mart.n_fractional_sites desc nulls last,
    rows_of_mart.country_iso3 nulls last
