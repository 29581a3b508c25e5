-- Every name that a publisher uses for a substance, a company or a country, with what the vocabulary makes of it and
-- the money that stands under it, by year. mapped_by is null where nothing decides the name. Rows without a price are
-- kept with no money. Remainders of trimmed editions are no names; they stand in mapped_share beside the names.
with sales as (
    select
        *,
        cast(extract(year from case when period_basis = 'fiscal_year' and market_iso3 = 'JPN' then period_start else period_end end) as int)
            as data_year
    from {{ ref('stg_sales_observation') }}
    where row_kind = 'product'
),

us_names as (
    select
        alias,
        max(substance_id) as substance_id
    from {{ source('vocabulary', 'substance_alias') }}
    where alias_scheme in ('us_substance', 'inn')
    group by alias
),

listed as (
    select distinct licence_number
    from {{ ref('stg_product_identity') }}
    where list_name = 'nhi_price_list'
),

-- Japan: the price-list code decides; a product of the list without the recombinant mark needs no name of its own.
nhi_product as (
    select
        case when product.mapping = 'unclassified' then 'modality' else 'substance' end as kind,
        sales.source_code,
        coalesce(sales.product_name, sales.product_code) as name,
        sales.data_year,
        sales.currency,
        sales.value,
        case
            when product.mapping = 'mapped' then 'vocabulary'
            when product.mapping = 'not_in_vocabulary' and listed.licence_number is not null then 'price_list'
        end as mapped_by
    from sales
    left join {{ ref('int_product_substance') }} as product
        on product.product_code_system = sales.product_code_system
        and product.product_code = sales.product_code
    left join listed
        on listed.licence_number = sales.product_code
    where sales.product_code_system = 'nhi_12'
),

hcpcs_product as (
    select
        'substance' as kind,
        sales.source_code,
        coalesce(sales.substance_name, sales.product_name) as name,
        sales.data_year,
        sales.currency,
        sales.value,
        case when us_names.substance_id is not null then 'vocabulary' end as mapped_by
    from sales
    left join us_names
        on us_names.alias = {{ comparable_name('sales.substance_name') }}
    where sales.product_code_system in ('hcpcs', 'cms_generic')
),

-- Company reports: a product stands in several markets that may contain one another, so the largest counts.
reported_market as (
    select
        source_code,
        product_name,
        seller_name,
        data_year,
        currency,
        market_iso3,
        period_start,
        period_end,
        {{ exact_sum('value') }} as value
    from sales
    where product_code_system = 'sec_member'
    group by source_code, product_name, seller_name, data_year, currency, market_iso3, period_start, period_end
),

reported_product as (
    select
        'substance' as kind,
        reported.source_code,
        reported.product_name as name,
        reported.data_year,
        reported.currency,
        max(reported.value) as value,
        max(case when brand.substance_id is not null then 'vocabulary' end) as mapped_by
    from reported_market as reported
    left join {{ source('vocabulary', 'substance_alias') }} as brand
        on brand.alias_scheme = 'brand'
        and brand.alias = {{ comparable_name('reported.product_name') }}
    group by reported.source_code, reported.seller_name, reported.product_name, reported.data_year, reported.currency
),

licensed_substance as (
    select
        'substance' as kind,
        licence.source_code,
        licence.ingredient_name as name,
        cast(null as int) as data_year,
        cast(null as string) as currency,
        cast(null as double) as value,
        case
            when whole.substance_id is not null or plain.substance_id is not null then 'vocabulary'
        end as mapped_by
    from {{ ref('stg_product_identity') }} as licence
    left join us_names as whole
        on whole.alias = {{ comparable_name('licence.ingredient_name') }}
    left join us_names as plain
        on plain.alias = {{ regexp_part(comparable_name('licence.ingredient_name'), '^(.+)-[a-z]{4}$') }}
    where licence.list_name in ('purple_book', 'ema_medicines') and licence.ingredient_name is not null
),

company_name as (
    select
        source_code,
        case
            when list_name in ('purple_book', 'drugs_at_fda') then 'fda_licence'
            when list_name = 'ema_medicines' then 'ema_licence'
            when list_name = 'ndc_unfinished' then 'fda_ndc_firm'
        end as scheme,
        holder_name as name,
        cast(null as int) as data_year,
        cast(null as string) as currency,
        cast(null as double) as value
    from {{ ref('stg_product_identity') }}
    where list_name <> 'nhi_price_list' and holder_name is not null
    union all
    select
        product.list_source_code as source_code,
        'nhi_manufacturer' as scheme,
        product.holder_name as name,
        sales.data_year,
        sales.currency,
        sales.value
    from sales
    inner join {{ ref('int_product_substance') }} as product
        on product.product_code_system = sales.product_code_system
        and product.product_code = sales.product_code
    where product.holder_name is not null
    union all
    select
        source_code,
        case when source_code = 'jrc_scoreboard' then 'jrc_company' else 'sec_filer' end as scheme,
        seller_name as name,
        cast(extract(year from period_end) as int) as data_year,
        currency,
        max(value) as value
    from {{ ref('stg_sales_observation') }}
    where row_kind = 'total' and seller_name is not null
    group by source_code, seller_name, cast(extract(year from period_end) as int), currency
),

company_mapping as (
    select
        'company' as kind,
        company_name.source_code,
        company_name.name,
        company_name.data_year,
        company_name.currency,
        company_name.value,
        case when known.company_id is not null then 'vocabulary' end as mapped_by
    from company_name
    left join {{ source('vocabulary', 'company_alias') }} as known
        on known.scheme = company_name.scheme
        and known.alias = {{ comparable_name('company_name.name') }}
),

country_mapping as (
    select
        'country' as kind,
        source_code,
        country_name as name,
        cast(null as int) as data_year,
        cast(null as string) as currency,
        cast(null as double) as value,
        case when country_iso3 is not null then 'vocabulary' end as mapped_by
    from {{ ref('stg_trial_site') }}
    where country_name is not null
    union all
    select
        'country' as kind,
        source_code,
        coalesce(site_place, firm_name) as name,
        cast(null as int) as data_year,
        cast(null as string) as currency,
        cast(null as double) as value,
        case when country_iso3 is not null then 'vocabulary' end as mapped_by
    from {{ ref('stg_site_role') }}
    where measure_basis <> 'listing'
),

together as (
    select * from nhi_product
    union all
    select * from hcpcs_product
    union all
    select * from reported_product
    union all
    select * from licensed_substance
    union all
    select * from company_mapping
    union all
    select * from country_mapping
)

select
    kind,
    source_code,
    name,
    data_year,
    currency,
    mapped_by,
    count(*) as n_rows,
    {{ exact_sum('value') }} as value
from together
group by kind, source_code, name, data_year, currency, mapped_by
