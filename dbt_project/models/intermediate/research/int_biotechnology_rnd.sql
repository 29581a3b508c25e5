-- Biotechnology R&D of business by industry, as the surveys of two countries publish it, and what follows from it.
-- An industry is missing where the survey does not publish it: only the United States shows chemicals and services.
with published as (
    select
        entity_code as country_iso3,
        cast(extract(year from period_start) as int) as year,
        period_basis,
        case
            when activity_code = '_T' then 'all_industries'
            when activity_scheme = 'JSIC' and activity_code = '165' then 'pharmaceuticals'
            when activity_scheme = 'NAICS' and activity_code = '3254' then 'pharmaceuticals'
            when activity_scheme = 'NAICS' and activity_code = '325' then 'chemicals_with_pharmaceuticals'
            when activity_scheme = 'NAICS' and activity_code = '5417' then 'research_services'
        end as industry,
        measure,
        value,
        currency,
        status,
        source_code,
        edition_id
    from {{ ref('stg_rnd_observation') }}
    where
        entity_kind = 'country'
        and lens = 'territory'
        and unit = 'national_currency'
        and price_base = 'current'
        and measure in ('biotechnology_rnd', 'berd')
        and source_code in ('{{ var("reference_survey_source") }}', 'ncses_berd')
),

pivoted as (
    select
        country_iso3,
        year,
        max(period_basis) as period_basis,
        max(currency) as currency,
        max(case when measure = 'berd' and industry = 'all_industries' then value end) as business_rnd,
        max(case when measure = 'biotechnology_rnd' and industry = 'all_industries' then value end) as biotechnology,
        max(case when measure = 'biotechnology_rnd' and industry = 'pharmaceuticals' then value end) as pharmaceuticals,
        max(case when measure = 'biotechnology_rnd' and industry = 'chemicals_with_pharmaceuticals' then value end)
            as chemicals_with_pharmaceuticals,
        max(case when measure = 'biotechnology_rnd' and industry = 'research_services' then value end)
            as research_services,
        {{ worst_status("case when measure = 'biotechnology_rnd' and industry in ('all_industries', 'pharmaceuticals') then status end",
            'reported') }} as status,
        {{ worst_status("case when measure = 'biotechnology_rnd' and industry = 'research_services' then status end",
            'reported') }} as services_status,
        {{ distinct_list("case when measure = 'biotechnology_rnd' then source_code end") }} as source_codes,
        {{ distinct_list("case when measure = 'biotechnology_rnd' then edition_id end") }} as edition_ids
    from published
    where industry is not null
    group by country_iso3, year
)

select *
from pivoted
where biotechnology is not null
