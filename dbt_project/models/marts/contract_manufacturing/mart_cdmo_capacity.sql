-- Bioreactor volume that documents state, by country and standing. Of a company in a country the last statement counts,
-- for all its sites together or site by site; a plan that is no younger or no larger than what is stated to be in
-- operation has been overtaken. Beside it, never added: third parties' estimates of all bioprocessing.
with stated as (
    select
        company_id,
        company_name,
        hq_iso3,
        site_name,
        site_country_iso3 as country_iso3,
        metric,
        case fact_kind
            when 'actual' then 'in_operation' when 'under_construction' then 'under_construction'
            when 'announced' then 'announced' when 'plan' then 'announced' when 'target' then 'announced'
            when 'third_party_estimate' then 'estimate_of_all_bioprocessing'
        end as standing,
        value,
        coalesce(period_end, published_on) as stated_on,
        case confidence when 'high' then 1 when 'medium' then 2 else 3 end as confidence_order,
        status,
        source_code,
        edition_id
    from {{ ref('stg_company_fact') }}
    where
        unit = 'litres'
        and metric in ('bioreactor_capacity', 'bioreactor_capacity_added')
        and site_country_iso3 is not null
        and value is not null
),

latest as (
    select
        *,
        max(stated_on) over (partition by company_id, country_iso3, standing) as company_stated_on,
        max(case when standing = 'in_operation' then stated_on end) over (partition by company_id, country_iso3)
            as operating_stated_on,
        max(case when standing = 'in_operation' then value end) over (partition by company_id, country_iso3)
            as operating_litres,
        max(case when site_name is not null then stated_on end) over (partition by company_id, country_iso3, standing)
            as sites_stated_on,
        max(case when site_name is null then stated_on end) over (partition by company_id, country_iso3, standing)
            as whole_stated_on,
        row_number() over (
            partition by company_id, country_iso3, standing, site_name
            order by case metric when 'bioreactor_capacity' then 1 else 2 end, stated_on desc, confidence_order, value desc
        ) as choice
    from stated
),

counted as (
    select *
    from latest
    where
        choice = 1
        -- All sites together where that is the younger statement, else site by site.
        and (
            (site_name is null and (sites_stated_on is null or stated_on > sites_stated_on))
            or (site_name is not null and (whole_stated_on is null or whole_stated_on <= sites_stated_on))
        )
        and (
            standing <> 'announced'
            or operating_stated_on is null
            or (stated_on > operating_stated_on and value > operating_litres)
        )
),

sums as (
    select
        country_iso3,
        standing,
        sum(value) as capacity_litres,
        count(*) as n_statements,
        count(distinct company_id) as n_companies,
        {{ distinct_list('company_name') }} as companies,
        {{ distinct_list('hq_iso3') }} as headquarters_iso3s,
        sum(case when hq_iso3 = 'JPN' then value else 0 end) as japanese_owned_litres,
        min(stated_on) as first_stated_on,
        max(stated_on) as last_stated_on,
        max(confidence_order) as worst_confidence,
        {{ worst_status('status') }} as data_status,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from counted
    group by country_iso3, standing
),

standings as (
    select 'in_operation' as standing
    union all select 'under_construction' as standing
    union all select 'announced' as standing
    union all select 'estimate_of_all_bioprocessing' as standing
),

lineage as (
    select
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids,
        max(published_on) as last_stated_on
    from {{ ref('stg_company_fact') }}
    where unit = 'litres'
),

-- Countries that readers compare have a row for every standing, so that a gap shows as one.
grid as (
    select country.iso3 as country_iso3, standings.standing
    from {{ source('vocabulary', 'country') }} as country
    cross join standings
    where country.is_focus and not country.is_aggregate
    union
    select country_iso3, standing from sums
)

select
    cast(grid.country_iso3 as string) as country_iso3,
    cast(country.name_en as string) as country_name_en,
    cast(grid.standing as string) as standing,
    cast(sums.capacity_litres as double) as capacity_litres,
    cast(case
        when grid.country_iso3 <> 'WLD' and grid.standing <> 'estimate_of_all_bioprocessing'
            then sums.capacity_litres / nullif(sum(sums.capacity_litres) over (partition by grid.standing), 0)
        when grid.country_iso3 <> 'WLD' then sums.capacity_litres / nullif(world.capacity_litres, 0)
    end as double) as share_of_stated,
    cast(coalesce(sums.n_statements, 0) as int) as n_statements,
    cast(coalesce(sums.n_companies, 0) as int) as n_companies,
    cast(sums.companies as string) as companies,
    cast(sums.headquarters_iso3s as string) as headquarters_iso3s,
    cast(sums.japanese_owned_litres as double) as japanese_owned_litres,
    sums.first_stated_on,
    sums.last_stated_on,
    cast(case sums.worst_confidence when 1 then 'high' when 2 then 'medium' when 3 then 'low' end as string)
        as least_confidence,
    cast(case when sums.capacity_litres is null then 'no_document_at_hand' end as string) as reason_code,
    cast(coalesce(sums.data_status, 'reported') as string) as data_status,
    cast(extract(year from lineage.last_stated_on) as int) as last_data_year,
    cast('cdmo_capacity_as_documented' as string) as definition_ids,
    cast(coalesce(sums.source_codes, lineage.source_codes) as string) as source_codes,
    cast(coalesce(sums.edition_ids, lineage.edition_ids) as string) as edition_ids
from grid
cross join lineage
left join sums
    on sums.country_iso3 = grid.country_iso3
    and sums.standing = grid.standing
left join sums as world
    on world.country_iso3 = 'WLD'
    and world.standing = grid.standing
left join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = grid.country_iso3
-- As of a day before any document there is nothing to be without.
where coalesce(sums.source_codes, lineage.source_codes) is not null
order by
    case grid.standing
        when 'in_operation' then 1 when 'under_construction' then 2 when 'announced' then 3 else 4
    end nulls last,
    sums.capacity_litres desc nulls last,
    grid.country_iso3 nulls last
