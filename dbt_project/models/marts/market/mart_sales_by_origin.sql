-- Sales of biologics by the country that stands behind the substance: Japan's insurance and Medicare Part B, under every
-- rule set and five bases. For the fifth, the place of the drug substance, countries with a recorded site share equally.
with japan as (
    select
        market_iso3,
        scope_id,
        'fiscal_year' as period_basis,
        fiscal_year as year,
        price_basis,
        'JPY' as currency,
        ruleset_id,
        is_headline_ruleset,
        product_code,
        coalesce(substance_id, 'product ' || product_code) as substance_key,
        substance_id,
        is_biosimilar,
        sum(sales_jpy) as sales_lcu,
        {{ worst_status('status') }} as data_status,
        {{ merge_lists([distinct_list('source_code'), distinct_list('list_source_code')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_id'), distinct_list('list_edition_id')]) }} as edition_ids
    from {{ ref('int_market_product_class') }}
    where is_biologic
    group by
        market_iso3, scope_id, fiscal_year, price_basis, ruleset_id, is_headline_ruleset, product_code, substance_id,
        is_biosimilar
),

medicare as (
    select
        'USA' as market_iso3,
        part_b.scope_id,
        'calendar_year' as period_basis,
        part_b.calendar_year as year,
        part_b.price_basis,
        'USD' as currency,
        rulesets.ruleset_id,
        rulesets.is_headline as is_headline_ruleset,
        part_b.product_code,
        part_b.substance_id as substance_key,
        part_b.substance_id,
        false as is_biosimilar,
        sum(part_b.sales_usd) as sales_lcu,
        {{ worst_status('part_b.status') }} as data_status,
        {{ distinct_list('part_b.source_code') }} as source_codes,
        {{ distinct_list('part_b.edition_id') }} as edition_ids
    from {{ ref('int_medicare_product') }} as part_b
    cross join {{ source('vocabulary', 'modality_ruleset') }} as rulesets
    inner join {{ source('vocabulary', 'modality_rule') }} as rule
        on rule.ruleset_id = rulesets.ruleset_id
        and rule.modality = part_b.modality
        and rule.is_biologic
    where part_b.row_kind = 'product'
    group by
        part_b.scope_id, part_b.calendar_year, part_b.price_basis, rulesets.ruleset_id, rulesets.is_headline,
        part_b.product_code, part_b.substance_id
),

sales as (
    select * from japan
    union all
    select * from medicare
),

-- Countries with a drug-substance site, of originators for originators and of biosimilars for biosimilars.
sites as (
    select
        substance_id,
        is_biosimilar,
        country_iso3,
        1.0 / count(*) over (partition by substance_id, is_biosimilar) as weight
    from (
        select distinct substance_id, is_biosimilar, country_iso3
        from {{ ref('int_substance_site') }}
        where country_iso3 is not null
    ) as known_sites
),

reviewed as (
    select
        substance_id,
        origin_basis,
        country_iso3,
        sum(weight) as weight
    from {{ source('vocabulary', 'product_originator') }}
    group by substance_id, origin_basis, country_iso3
),

bases as (
    select 'originator' as origin_basis
    union all select 'parent_at_filing' as origin_basis
    union all select 'applicant' as origin_basis
    union all select 'main_seller' as origin_basis
    union all select 'drug_substance_site' as origin_basis
),

keys as (
    select distinct substance_key, substance_id, is_biosimilar
    from sales
),

known as (
    select
        keys.substance_key,
        keys.is_biosimilar,
        reviewed.origin_basis,
        reviewed.country_iso3,
        reviewed.weight
    from keys
    inner join reviewed
        on reviewed.substance_id = keys.substance_id
    union all
    select
        keys.substance_key,
        keys.is_biosimilar,
        'drug_substance_site' as origin_basis,
        sites.country_iso3,
        sites.weight
    from keys
    inner join sites
        on sites.substance_id = keys.substance_id
        and sites.is_biosimilar = keys.is_biosimilar
),

origins as (
    select * from known
    union all
    select
        keys.substance_key,
        keys.is_biosimilar,
        bases.origin_basis,
        cast(null as string) as country_iso3,
        1.0 - coalesce(sum(known.weight), 0.0) as weight
    from keys
    cross join bases
    left join known
        on known.substance_key = keys.substance_key
        and known.is_biosimilar = keys.is_biosimilar
        and known.origin_basis = bases.origin_basis
    group by keys.substance_key, keys.is_biosimilar, bases.origin_basis
    having 1.0 - coalesce(sum(known.weight), 0.0) > 1e-9
),

grouped as (
    select
        sales.market_iso3,
        sales.scope_id,
        sales.period_basis,
        sales.year,
        sales.price_basis,
        sales.currency,
        sales.ruleset_id,
        sales.is_headline_ruleset,
        origins.origin_basis,
        origins.country_iso3,
        coalesce(sum(origins.weight * sales.sales_lcu), 0) as sales_lcu,
        count(distinct sales.substance_key) as n_substances,
        {{ worst_status('sales.data_status') }} as data_status,
        {{ merge_lists([distinct_list('sales.source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('sales.edition_ids')]) }} as edition_ids
    from sales
    inner join origins
        on origins.substance_key = sales.substance_key
        and origins.is_biosimilar = sales.is_biosimilar
    group by
        sales.market_iso3, sales.scope_id, sales.period_basis, sales.year, sales.price_basis, sales.currency,
        sales.ruleset_id, sales.is_headline_ruleset, origins.origin_basis, origins.country_iso3
),

shared as (
    select
        grouped.*,
        sum(sales_lcu) over parts as biologic_sales_lcu,
        sum(case when country_iso3 is null then sales_lcu else 0 end) over parts as unknown_sales_lcu
    from grouped
    window parts as (partition by market_iso3, scope_id, year, price_basis, ruleset_id, origin_basis)
)

select
    cast(shared.market_iso3 as string) as market_iso3,
    cast(shared.scope_id as string) as scope_id,
    cast(shared.year as int) as year,
    cast(shared.period_basis as string) as period_basis,
    cast(shared.price_basis as string) as price_basis,
    cast(shared.ruleset_id as string) as ruleset_id,
    shared.is_headline_ruleset,
    cast(shared.origin_basis as string) as origin_basis,
    cast(coalesce(shared.country_iso3, 'unknown') as string) as origin_iso3,
    cast(coalesce(country.name_en, 'Not known') as string) as origin_country,
    coalesce(shared.country_iso3 = shared.market_iso3, false) as is_domestic,
    cast(shared.sales_lcu as double) as sales_lcu,
    cast(shared.currency as string) as currency,
    cast(shared.biologic_sales_lcu as double) as biologic_sales_lcu,
    cast(shared.sales_lcu / nullif(shared.biologic_sales_lcu, 0) as double) as share_sales,
    cast(case
        when shared.country_iso3 is not null
            then (shared.sales_lcu + shared.unknown_sales_lcu) / nullif(shared.biologic_sales_lcu, 0)
    end as double) as share_sales_high,
    cast(shared.n_substances as int) as n_substances,
    cast(1 - shared.unknown_sales_lcu / nullif(shared.biologic_sales_lcu, 0) as double) as coverage_share,
    caveat.effect is null as is_comparable,
    cast(caveat.reason_code as string) as reason_code,
    cast(shared.data_status as string) as data_status,
    cast(max(shared.year) over (partition by shared.market_iso3, shared.scope_id) as int) as last_data_year,
    cast({{ merge_lists(["case when shared.scope_id <> 'medicare_part_b' then shared.scope_id end",
        "case when shared.origin_basis = 'drug_substance_site' then 'origin_drug_substance' end",
        "case when shared.origin_basis = 'drug_substance_site' then 'substance_sites_equal' end",
        "case when shared.origin_basis <> 'drug_substance_site' then 'origin_of_company_' || shared.origin_basis end"]) }}
        as string) as definition_ids,
    cast(shared.source_codes as string) as source_codes,
    cast(shared.edition_ids as string) as edition_ids
from shared
left join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = shared.country_iso3
left join {{ source('vocabulary', 'series_caveat') }} as caveat
    on caveat.source_code = 'mhlw_ndb'
    and caveat.entity_code = shared.market_iso3
    and caveat.series_code = 'sales'
    and caveat.effect = 'not_comparable'
    and shared.year between caveat.first_year and coalesce(caveat.last_year, 9999)
order by
    shared.market_iso3 nulls last,
    shared.scope_id nulls last,
    shared.year desc nulls last,
    shared.is_headline_ruleset desc nulls last,
    shared.ruleset_id nulls last,
    case shared.origin_basis
        when 'originator' then 1 when 'parent_at_filing' then 2 when 'applicant' then 3 when 'main_seller' then 4 else 5
    end nulls last,
    shared.sales_lcu desc nulls last,
    shared.country_iso3 nulls last
