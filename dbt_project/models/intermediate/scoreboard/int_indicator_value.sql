-- Values of the indicators of vocabulary.indicator by country and year, as their sources have them: one block per
-- indicator or family of indicators. A value that must not be used is null and carries the reason.
with published as (
    select
        'berd_pharma_usd_ppp' as indicator_id,
        country_iso3,
        year,
        case when is_usable then rnd_usd_ppp end as value,
        case when not is_usable then coalesce(reason_code, 'unusable') end as reason_code,
        data_status,
        source_codes,
        edition_ids
    from {{ ref('mart_rnd_level') }}
    where is_headline_series and basis = 'international_statistics' and rnd_usd_ppp is not null

    union all

    select
        case window_id when '2019-2023' then 'berd_pharma_growth_4y' else 'berd_pharma_growth_13y' end as indicator_id,
        country_iso3,
        last_year as year,
        case when is_comparable then cagr_real end as value,
        case when not is_comparable then reason_code end as reason_code,
        data_status,
        source_codes,
        edition_ids
    from {{ ref('mart_rnd_growth') }}
    where is_headline_series and window_id in ('2019-2023', '2010-2023')

    union all

    select
        'gerd_gdp_share' as indicator_id,
        country_iso3,
        year,
        share_gdp as value,
        reason_code,
        data_status,
        source_codes,
        edition_ids
    from {{ ref('mart_rnd_level') }}
    where basis = 'gdp_share' and measure = 'gerd_gdp_share' and is_usable and share_gdp is not null

    union all

    select
        'gerd_gdp_change_5y' as indicator_id,
        later.country_iso3,
        later.year,
        later.share_gdp - earlier.share_gdp as value,
        cast(null as string) as reason_code,
        {{ worse_status(['later.data_status', 'earlier.data_status', "'derived'"]) }} as data_status,
        later.source_codes,
        later.edition_ids
    from {{ ref('mart_rnd_level') }} as later
    inner join {{ ref('mart_rnd_level') }} as earlier
        on earlier.basis = later.basis
        and earlier.series_source = later.series_source
        and earlier.country_iso3 = later.country_iso3
        and earlier.measure = later.measure
        and earlier.year = later.year - 5
    where
        later.basis = 'gdp_share'
        and later.measure = 'gerd_gdp_share'
        and later.is_usable
        and earlier.is_usable
        and later.share_gdp is not null
        and earlier.share_gdp is not null

    union all

    select
        'cdmo_revenue_usd' as indicator_id,
        hq_iso3 as country_iso3,
        year,
        sum(revenue_usd) as value,
        cast(null as string) as reason_code,
        {{ worst_status('data_status', 'derived') }} as data_status,
        {{ distinct_list('source_codes') }} as source_codes,
        {{ distinct_list('edition_ids') }} as edition_ids
    from {{ ref('mart_cdmo_landscape') }}
    where is_in_listed_set and revenue_usd is not null and hq_iso3 is not null
    group by hq_iso3, year

    union all

    select
        'cdmo_capacity_litres' as indicator_id,
        site_country_iso3 as country_iso3,
        year,
        sum(capacity_litres) as value,
        cast(null as string) as reason_code,
        {{ worst_status('data_status', 'derived') }} as data_status,
        {{ distinct_list('source_codes') }} as source_codes,
        {{ distinct_list('edition_ids') }} as edition_ids
    from {{ ref('mart_cdmo_landscape') }}
    where metric = 'bioreactor_capacity' and fact_kind = 'actual' and capacity_litres is not null
    group by site_country_iso3, year
),

-- Both parts of the share are of the OECD, by main activity and in the same year's international dollars.
business_rnd as (
    select
        'berd_pharma_berd_share' as indicator_id,
        pharma.country_iso3,
        pharma.year,
        case when pharma.is_usable then pharma.rnd_usd_ppp / nullif(total.value, 0) end as value,
        case when not pharma.is_usable then coalesce(pharma.reason_code, 'unusable') end as reason_code,
        {{ worse_status(['pharma.data_status', 'total.status', "'derived'"]) }} as data_status,
        {{ merge_lists(['pharma.source_codes', 'total.source_code']) }} as source_codes,
        {{ merge_lists(['pharma.edition_ids', 'total.edition_id']) }} as edition_ids
    from {{ ref('mart_rnd_level') }} as pharma
    inner join {{ ref('stg_rnd_observation') }} as total
        on total.source_code = 'oecd_berd'
        and total.entity_code = pharma.country_iso3
        and extract(year from total.period_start) = pharma.year
        and total.activity_code = '_T'
        and total.measure = 'berd'
        and total.unit = 'usd_ppp'
        and total.price_base = 'current'
        and total.criteria = pharma.criteria
    where pharma.is_headline_series and pharma.basis = 'international_statistics' and total.value is not null
),

company as (
    select
        rnd.entity_iso3 as country_iso3,
        cast(extract(year from rnd.period_start) as int) as year,
        rnd.value as rnd_eur,
        sales.value as sales_eur,
        {{ worse_status(['rnd.status', 'sales.status']) }} as status,
        rnd.source_code,
        rnd.edition_id
    from {{ ref('stg_rnd_observation') }} as rnd
    left join {{ ref('stg_sales_observation') }} as sales
        on sales.source_code = rnd.source_code
        and sales.seller_name = rnd.entity_name
        and sales.period_start = rnd.period_start
        and sales.row_kind = 'total'
    where
        rnd.source_code = 'jrc_scoreboard'
        and rnd.activity_code = 'Pharmaceuticals & Biotechnology'
        and rnd.measure = 'rnd_expense'
        and rnd.value is not null
),

{%- set of_companies = [
    ['listed_rnd_eur', 'sum(rnd_eur)'],
    ['listed_rnd_intensity', 'sum(case when sales_eur >= 0.1 * rnd_eur then rnd_eur end)'
        ~ ' / nullif(sum(case when sales_eur >= 0.1 * rnd_eur then sales_eur end), 0)'],
    ['listed_companies', 'cast(count(*) as double)'],
    ['listed_sales_eur', 'sum(sales_eur)'],
] %}

headquarters as (
    {% for indicator_id, expression in of_companies %}
    select
        '{{ indicator_id }}' as indicator_id,
        country_iso3,
        year,
        {{ expression }} as value,
        cast(null as string) as reason_code,
        {{ worst_status('status', 'derived') }} as data_status,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from company
    group by country_iso3, year
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

sites as (
    select
        'api_sites' as indicator_id,
        country_iso3,
        cast(extract(year from max(published_on)) as int) as year,
        cast(count(distinct site_id) as double) as value,
        cast(null as string) as reason_code,
        {{ worst_status('status', 'derived') }} as data_status,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from {{ ref('stg_site_role') }}
    where
        source_code = 'fda_decrs'
        and operation = 'drug_substance'
        and measure_basis = 'registration'
        and country_iso3 is not null
    group by country_iso3
),

-- As old as the newest list of products behind the sites.
substances as (
    select
        'biologic_substances_sited' as indicator_id,
        site.country_iso3,
        max(listing.year) as year,
        cast(count(distinct site.substance_id) as double) as value,
        cast(null as string) as reason_code,
        'derived' as data_status,
        {{ distinct_list('site.source_codes') }} as source_codes,
        {{ distinct_list('site.edition_ids') }} as edition_ids
    from {{ ref('int_substance_site') }} as site
    cross join (
        select cast(max(extract(year from published_on)) as int) as year
        from {{ ref('stg_site_role') }}
        where operation = 'drug_substance' and measure_basis <> 'registration'
    ) as listing
    where site.country_iso3 is not null
    group by site.country_iso3
),

production as (
    select
        'immunological_production_eur' as indicator_id,
        country_iso3,
        cast(extract(year from period_start) as int) as year,
        value,
        cast(null as string) as reason_code,
        {{ worse_status(['status']) }} as data_status,
        source_code as source_codes,
        edition_id as edition_ids
    from {{ ref('stg_production_observation') }}
    where
        source_code = 'eurostat_prodcom'
        and category_code = '21202125'
        and measure = 'production'
        and unit = 'EUR'
        and value is not null
),

vaccines as (
    select
        partner_iso3 as country_iso3,
        cast(extract(year from period_start) as int) as year,
        sum(value_usd) as value_usd,
        {{ worst_status('status', 'derived') }} as data_status,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from {{ ref('stg_trade_flow') }}
    where
        source_code = 'un_comtrade'
        and reporter_iso3 = 'JPN'
        and hs_code = '300220'
        and flow = 'import'
        and partner_iso3 <> 'WLD'
        and partner_iso3 <> 'JPN'
    group by partner_iso3, extract(year from period_start)
),

imports as (
    select
        'japan_vaccine_import_share' as indicator_id,
        country_iso3,
        year,
        value_usd / nullif(sum(value_usd) over (partition by year), 0) as value,
        cast(null as string) as reason_code,
        data_status,
        source_codes,
        edition_ids
    from vaccines
),

together as (
    select * from published
    union all
    select * from business_rnd
    union all
    select * from headquarters
    union all
    select * from sites
    union all
    select * from substances
    union all
    select * from production
    union all
    select * from imports
)

select
    together.indicator_id,
    together.country_iso3,
    cast(together.year as int) as year,
    cast(together.value as double) as value,
    together.reason_code,
    together.data_status,
    -- Lists of lists are put in order again.
    {{ merge_lists(['together.source_codes']) }} as source_codes,
    {{ merge_lists(['together.edition_ids']) }} as edition_ids
from together
inner join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = together.country_iso3
    and not country.is_aggregate
