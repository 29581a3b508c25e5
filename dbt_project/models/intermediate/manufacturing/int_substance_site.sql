-- Where the drug substance of a biologic is made, by substance, market whose authority recorded it, and country.
-- Kinds of evidence, best first: `legal_document`, a site named in a licence document (EPAR Annex II);
-- `listing_one_country`, a firm that lists the bulk substance (NDC unfinished drugs) and whose drug-substance sites in
-- the establishment register lie in one country (vocabulary.firm_site); `listing_several_countries`, the same with
-- sites in several countries, so that the listing does not say which of them makes the substance.
with aliases as (
    select
        alias_scheme,
        lower(alias) as alias,
        substance_id
    from {{ source('vocabulary', 'substance_alias') }}
),

roles as (
    select
        *,
        lower(replace(substance_name, ' ', '')) as substance_key,
        lower(replace(product_name, ' ', '')) as product_key,
        upper(firm_name) as firm_key
    from {{ ref('stg_site_role') }}
    where operation = 'drug_substance'
),

legal as (
    select
        coalesce(by_name.substance_id, by_brand.substance_id) as substance_id,
        roles.substance_key,
        roles.market_iso3 as evidence_market_iso3,
        'legal_document' as evidence_kind,
        coalesce(roles.publisher_flags like '%biosimilar%', false) as is_flagged_biosimilar,
        roles.country_iso3,
        roles.firm_name,
        roles.source_code as source_codes,
        roles.edition_id as edition_ids
    from roles
    left join aliases as by_name
        on by_name.alias_scheme = 'inn' and by_name.alias = roles.substance_key
    left join aliases as by_brand
        on by_brand.alias_scheme = 'brand' and by_brand.alias = roles.product_key
    where roles.measure_basis = 'legal_document' and roles.country_iso3 is not null
),

-- Establishments that the register lists with manufacture of drug substances, by firm and country.
register as (
    select
        upper(firm_name) as firm_key,
        country_iso3,
        {{ distinct_list('source_code') }} as register_source_codes,
        {{ distinct_list('edition_id') }} as register_edition_ids
    from {{ ref('stg_site_role') }}
    where measure_basis = 'registration' and operation = 'drug_substance' and country_iso3 is not null
    group by upper(firm_name), country_iso3
),

-- The reviewed link from a listing firm to its sites holds as long as the register still has them.
firms as (
    select
        upper(links.listed_firm) as firm_key,
        links.country_iso3,
        register.register_source_codes,
        register.register_edition_ids,
        count(*) over (partition by upper(links.listed_firm)) as n_countries
    from {{ source('vocabulary', 'firm_site') }} as links
    inner join register
        on register.firm_key = upper(links.registered_firm)
        and register.country_iso3 = links.country_iso3
    where links.is_drug_substance_site
),

listings as (
    select
        by_name.substance_id,
        roles.substance_key,
        roles.market_iso3 as evidence_market_iso3,
        case when firms.n_countries = 1 then 'listing_one_country' else 'listing_several_countries' end
            as evidence_kind,
        false as is_flagged_biosimilar,
        firms.country_iso3,
        roles.firm_name,
        {{ merge_lists(['roles.source_code', 'firms.register_source_codes']) }} as source_codes,
        {{ merge_lists(['roles.edition_id', 'firms.register_edition_ids']) }} as edition_ids
    from roles
    inner join aliases as by_name
        on by_name.alias_scheme = 'us_substance' and by_name.alias = roles.substance_key
    inner join firms
        on firms.firm_key = roles.firm_key
    where roles.measure_basis = 'listing'
),

evidence as (
    select * from legal
    where substance_id is not null
    union all
    select * from listings
),

-- Substances older than the four-letter suffix: in the United States only biosimilars carried one before 2017, so that
-- for a substance sold before, or one with a biosimilar on Japan's price list, a suffix tells of a biosimilar.
older_substances as (
    select distinct product.substance_id
    from {{ ref('int_product_substance') }} as product
    inner join {{ ref('stg_sales_observation') }} as sales
        on sales.product_code = product.product_code
        and sales.product_code_system = product.product_code_system
    where
        product.substance_id is not null
        and (product.is_biosimilar or sales.period_start < cast('2017-01-01' as date))
),

-- EMA flags its biosimilars. A suffix marks one where the substance is older than suffixes, or is also listed plainly;
-- originators licensed since 2017 carry a suffix too, but have no plain listing beside it.
marked as (
    select
        evidence.*,
        evidence.evidence_kind <> 'legal_document'
        and {{ regexp_part('evidence.substance_key', '(-[a-z]{4})$') }} is not null as has_suffix,
        older_substances.substance_id is not null as is_older
    from evidence
    left join older_substances
        on older_substances.substance_id = evidence.substance_id
),

compared as (
    select
        *,
        is_flagged_biosimilar
        or (
            has_suffix
            and (is_older or max(case when has_suffix then 0 else 1 end) over (partition by substance_id) = 1)
        ) as is_biosimilar
    from marked
)

select
    substance_id,
    is_biosimilar,
    evidence_market_iso3,
    evidence_kind,
    country_iso3,
    {{ distinct_list('firm_name') }} as firm_names,
    {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
    {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
from compared
group by
    substance_id, is_biosimilar, evidence_market_iso3, evidence_kind, country_iso3
