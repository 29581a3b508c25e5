with products as (
    select * from {{ ref('int_biologic_origin_sales') }}
    where sales_jpy > 0
),

holders as (
    select
        product_code,
        max(holder_name) as holder_name
    from {{ ref('int_product_substance') }}
    where product_code_system = 'nhi_12'
    group by product_code
),

summed as (
    select
        products.market_iso3,
        products.fiscal_year,
        products.scope_id,
        products.price_basis,
        products.ruleset_id,
        products.is_headline_ruleset,
        products.substance_id,
        products.is_biosimilar,
        max(products.substance_name_en) as substance_name_en,
        max(products.modality) as modality,
        -- Origin is judged by substance, originators and biosimilars apart, so that it is the same for all of them.
        max(products.origin) as origin,
        max(products.evidence_grade) as evidence_grade,
        max(products.best_evidence_kind) as best_evidence_kind,
        max(products.site_countries) as site_countries,
        max(products.evidence_markets) as evidence_markets,
        count(distinct products.product_code) as n_products,
        {{ distinct_list('holders.holder_name') }} as holder_names,
        sum(products.sales_jpy) as sales_jpy,
        sum(products.grams) as grams,
        coalesce(sum(case when products.grams is not null then products.sales_jpy end), 0) as sales_jpy_with_strength,
        {{ worst_status('products.data_status') }} as data_status,
        {{ merge_lists([
            distinct_list('products.sales_source_codes'), distinct_list('products.origin_source_codes'),
            distinct_list('products.strength_source_code')
        ]) }} as source_codes,
        {{ merge_lists([
            distinct_list('products.sales_edition_ids'), distinct_list('products.origin_edition_ids'),
            distinct_list('products.strength_edition_id')
        ]) }} as edition_ids
    from products
    left join holders
        on holders.product_code = products.product_code
    group by
        products.market_iso3, products.fiscal_year, products.scope_id, products.price_basis, products.ruleset_id,
        products.is_headline_ruleset, products.substance_id, products.is_biosimilar
),

compared as (
    select
        *,
        case when origin in ('unknown', 'mixed') then sales_jpy else 0 end as open_jpy,
        case when origin in ('unknown', 'mixed') then coalesce(grams, 0) else 0 end as open_grams,
        sum(sales_jpy) over (partition by market_iso3, fiscal_year, scope_id, price_basis, ruleset_id) as total_jpy,
        sum(grams) over (partition by market_iso3, fiscal_year, scope_id, price_basis, ruleset_id) as total_grams
    from summed
),

ranked as (
    select
        *,
        row_number() over (
            partition by market_iso3, fiscal_year, scope_id, price_basis, ruleset_id
            order by open_jpy desc, sales_jpy desc, substance_id, is_biosimilar
        ) as lookup_rank
    from compared
)

select
    cast(ranked.market_iso3 as string) as market_iso3,
    cast(ranked.fiscal_year as int) as fiscal_year,
    cast(ranked.scope_id as string) as scope_id,
    cast(ranked.price_basis as string) as price_basis,
    cast(ranked.ruleset_id as string) as ruleset_id,
    ranked.is_headline_ruleset,
    cast(ranked.lookup_rank as int) as lookup_rank,
    cast(ranked.substance_id as string) as substance_id,
    cast(ranked.substance_name_en as string) as substance_name_en,
    cast(ranked.modality as string) as modality,
    ranked.is_biosimilar,
    cast(ranked.origin as string) as origin,
    cast(ranked.evidence_grade as string) as evidence_grade,
    cast(ranked.best_evidence_kind as string) as best_evidence_kind,
    cast(ranked.site_countries as string) as site_countries,
    cast(sites.known_sites as string) as known_sites,
    cast(ranked.evidence_markets as string) as evidence_markets,
    cast(ranked.holder_names as string) as holder_names,
    cast(ranked.n_products as int) as n_products,
    cast(ranked.sales_jpy as double) as sales_jpy,
    cast(ranked.sales_jpy / ranked.total_jpy as double) as share_sales,
    cast(ranked.grams as double) as weight_grams,
    cast(ranked.grams / nullif(ranked.total_grams, 0) as double) as share_weight,
    cast(ranked.open_jpy / ranked.total_jpy as double) as contribution_share,
    cast(ranked.open_grams / nullif(ranked.total_grams, 0) as double) as contribution_weight_share,
    cast(
        sum(ranked.open_jpy) over (
            partition by ranked.market_iso3, ranked.fiscal_year, ranked.scope_id, ranked.price_basis, ranked.ruleset_id
            order by ranked.lookup_rank rows between unbounded preceding and current row
        ) / ranked.total_jpy as double
    ) as cumulative_contribution_share,
    cast(ranked.sales_jpy_with_strength / ranked.sales_jpy as double) as coverage_strength_share,
    cast(case when ranked.origin in ('unknown', 'mixed') then 0 else 1 end as double) as coverage_share,
    cast(
        case
            when ranked.origin = 'unknown' then 'no_site_known'
            when ranked.origin = 'mixed' then 'sites_in_and_outside'
        end as string
    ) as reason_code,
    cast(ranked.data_status as string) as data_status,
    cast(max(ranked.fiscal_year) over (partition by ranked.market_iso3, ranked.scope_id) as int) as last_data_year,
    cast({{ merge_lists([
        "'site_of_substance_any_market'", "'origin_drug_substance'", "'grams_of_active_substance'", 'ranked.scope_id'
    ]) }} as string) as definition_ids,
    cast(ranked.source_codes as string) as source_codes,
    cast(ranked.edition_ids as string) as edition_ids
from ranked
left join {{ ref('int_substance_known_sites') }} as sites
    on sites.substance_id = ranked.substance_id
    and sites.is_biosimilar = ranked.is_biosimilar
order by
    ranked.market_iso3 nulls last,
    ranked.scope_id nulls last,
    ranked.fiscal_year desc nulls last,
    ranked.is_headline_ruleset desc nulls last,
    ranked.ruleset_id nulls last,
    ranked.lookup_rank nulls last
