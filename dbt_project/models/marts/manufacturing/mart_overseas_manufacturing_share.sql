with products as (
    select * from {{ ref('int_biologic_origin_sales') }}
),

-- Every product by value and by weight; a product whose strength is no mass has no weight.
measured as (
    select products.*, 'value' as measure, products.sales_jpy as amount from products
    union all
    select products.*, 'weight' as measure, products.grams as amount from products
),

expanded as (
    select measured.*, measured.modality as modality_group from measured
    union all
    select measured.*, 'all' as modality_group from measured
),

summed as (
    select
        market_iso3,
        fiscal_year,
        measure,
        scope_id,
        price_basis,
        ruleset_id,
        is_headline_ruleset,
        modality_group as modality,
        sum(sales_jpy) as sales_jpy,
        coalesce(sum(case when grams_per_unit is not null then sales_jpy end), 0) as sales_jpy_with_strength,
        sum(amount) as total,
        coalesce(sum(case when origin = 'overseas' then amount end), 0) as overseas,
        coalesce(sum(case when origin = 'domestic' then amount end), 0) as domestic,
        coalesce(sum(case when origin = 'mixed' then amount end), 0) as mixed,
        coalesce(sum(case when origin = 'unknown' then amount end), 0) as unknown,
        sum(amount * share_of_countries_overseas) as overseas_of_known,
        coalesce(sum(case when evidence_grade = 'A' then amount end), 0) as grade_a,
        coalesce(sum(case when evidence_grade = 'B' then amount end), 0) as grade_b,
        coalesce(sum(case when evidence_grade = 'C' then amount end), 0) as grade_c,
        coalesce(sum(case when evidence_grade = 'D' then amount end), 0) as grade_d,
        coalesce(sum(case when evidence_grade = 'E' then amount end), 0) as grade_e,
        coalesce(sum(case when best_evidence_kind = 'legal_document' then amount end), 0) as legal_document,
        coalesce(sum(case when best_evidence_kind = 'listing_one_country' then amount end), 0) as listing_one,
        coalesce(sum(case when best_evidence_kind = 'listing_several_countries' then amount end), 0)
            as listing_several,
        count(distinct case when amount is not null then product_code end) as n_products,
        count(distinct case when amount is not null and origin <> 'unknown' then product_code end)
            as n_products_known,
        count(distinct case when measure = 'value' or amount is not null then substance_id end) as n_substances,
        count(distinct case when origin <> 'unknown' and (measure = 'value' or amount is not null) then substance_id end)
            as n_substances_known,
        {{ distinct_list('case when measure = \'value\' or amount is not null then evidence_grade end') }}
            as evidence_grades,
        {{ merge_lists([distinct_list('evidence_markets')]) }} as evidence_markets,
        {{ worst_status('data_status') }} as data_status,
        {{ merge_lists([
            distinct_list('sales_source_codes'), distinct_list('origin_source_codes'),
            distinct_list('case when measure = \'weight\' then strength_source_code end')
        ]) }} as source_codes,
        {{ merge_lists([
            distinct_list('sales_edition_ids'), distinct_list('origin_edition_ids'),
            distinct_list('case when measure = \'weight\' then strength_edition_id end')
        ]) }} as edition_ids
    from expanded
    group by
        market_iso3, fiscal_year, measure, scope_id, price_basis, ruleset_id, is_headline_ruleset, modality_group
),

named_unknown as (
    select
        measure, market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, modality,
        {{ ordered_list(
            "coalesce(substance_name_en, substance_id) || ' (' || case when measure = 'value' then "
            ~ text_jpy_bn('amount') ~ " when amount >= 1e3 then " ~ text_number('(amount / 1e3)') ~ " || ' kg' else "
            ~ text_number('amount') ~ " || ' g' end || ')'", 'position'
        ) }} as top_unknown_substances
    from {{ ref('int_unknown_origin_substance') }}
    where position <= {{ var('unknown_substances_named') }}
    group by measure, market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, modality
),

warehouse_rows as (
    select
        'warehouse_site_evidence' as basis,
        summed.market_iso3,
        summed.fiscal_year as year,
        'fiscal_year' as period_basis,
        summed.measure,
        summed.scope_id,
        summed.price_basis,
        summed.ruleset_id,
        summed.is_headline_ruleset,
        summed.modality,
        summed.overseas / nullif(summed.total, 0) as share_overseas_low,
        summed.overseas_of_known / nullif(summed.total - summed.unknown, 0) as share_overseas_mid_known_only,
        1 - summed.domestic / nullif(summed.total, 0) as share_overseas_high,
        (summed.total - summed.unknown) / nullif(summed.total, 0) as coverage_share,
        summed.mixed / nullif(summed.total, 0) as share_mixed,
        summed.grade_a / nullif(summed.total, 0) as coverage_grade_a_share,
        summed.grade_b / nullif(summed.total, 0) as coverage_grade_b_share,
        summed.grade_c / nullif(summed.total, 0) as coverage_grade_c_share,
        summed.grade_d / nullif(summed.total, 0) as coverage_grade_d_share,
        summed.grade_e / nullif(summed.total, 0) as coverage_grade_e_share,
        summed.legal_document / nullif(summed.total, 0) as coverage_legal_document_share,
        summed.listing_one / nullif(summed.total, 0) as coverage_listing_one_country_share,
        summed.listing_several / nullif(summed.total, 0) as coverage_listing_several_countries_share,
        summed.evidence_grades,
        summed.evidence_markets,
        summed.sales_jpy,
        case when summed.measure = 'weight' then summed.total / 1e3 end as weight_kg,
        case when summed.measure = 'weight' then summed.sales_jpy_with_strength / summed.sales_jpy end
            as coverage_strength_share,
        summed.n_products,
        summed.n_products_known,
        summed.n_substances,
        summed.n_substances_known,
        named_unknown.top_unknown_substances,
        caveat.effect is null and coalesce(summed.total, 0) > 0 as is_comparable,
        case when summed.total > 0 then caveat.reason_code else 'strength_is_no_mass' end as reason_code,
        summed.data_status,
        {{ merge_lists([
            "'site_of_substance_any_market'", "'origin_drug_substance'", 'summed.scope_id',
            "case when summed.measure = 'weight' then 'grams_of_active_substance' end"
        ]) }} as definition_ids,
        summed.source_codes,
        summed.edition_ids
    from summed
    left join named_unknown
        on named_unknown.measure = summed.measure
        and named_unknown.market_iso3 = summed.market_iso3
        and named_unknown.fiscal_year = summed.fiscal_year
        and named_unknown.scope_id = summed.scope_id
        and named_unknown.price_basis = summed.price_basis
        and named_unknown.ruleset_id = summed.ruleset_id
        and named_unknown.modality = summed.modality
    left join {{ source('vocabulary', 'series_caveat') }} as caveat
        on summed.source_codes like '%' || caveat.source_code || '%'
        and caveat.entity_code = summed.market_iso3
        and caveat.series_code = 'sales'
        and caveat.effect = 'not_comparable'
        and summed.fiscal_year between caveat.first_year and coalesce(caveat.last_year, 9999)
    where summed.sales_jpy > 0
),

study_rows as (
    select
        'opir_2015_study' as basis,
        'JPN' as market_iso3,
        year,
        'as_stated' as period_basis,
        measure,
        'opir_antibodies_sold_in_japan' as scope_id,
        'as_stated' as price_basis,
        'opir_antibodies' as ruleset_id,
        false as is_headline_ruleset,
        'all' as modality,
        share_overseas as share_overseas_low,
        share_overseas as share_overseas_mid_known_only,
        share_overseas as share_overseas_high,
        cast(1 as double) as coverage_share,
        cast(0 as double) as share_mixed,
        cast(null as double) as coverage_grade_a_share,
        cast(null as double) as coverage_grade_b_share,
        cast(null as double) as coverage_grade_c_share,
        cast(null as double) as coverage_grade_d_share,
        cast(null as double) as coverage_grade_e_share,
        cast(null as double) as coverage_legal_document_share,
        cast(null as double) as coverage_listing_one_country_share,
        cast(null as double) as coverage_listing_several_countries_share,
        cast(null as string) as evidence_grades,
        cast('JPN' as string) as evidence_markets,
        case when measure = 'value' then total end as sales_jpy,
        case when measure = 'weight' then total end as weight_kg,
        cast(null as double) as coverage_strength_share,
        cast(null as bigint) as n_products,
        cast(null as bigint) as n_products_known,
        cast(null as bigint) as n_substances,
        cast(null as bigint) as n_substances_known,
        cast(null as string) as top_unknown_substances,
        true as is_comparable,
        cast(null as string) as reason_code,
        'derived' as data_status,
        'opir_antibodies_sold_in_japan,opir_product_origin' as definition_ids,
        source_codes,
        edition_ids
    from {{ ref('int_study_overseas_share') }}
),

rows_of_mart as (
    select * from warehouse_rows
    union all
    select * from study_rows
)

select
    cast(rows_of_mart.basis as string) as basis,
    cast(rows_of_mart.market_iso3 as string) as market_iso3,
    cast(rows_of_mart.year as int) as year,
    cast(rows_of_mart.period_basis as string) as period_basis,
    cast(rows_of_mart.measure as string) as measure,
    cast(rows_of_mart.scope_id as string) as scope_id,
    cast(rows_of_mart.price_basis as string) as price_basis,
    cast(rows_of_mart.ruleset_id as string) as ruleset_id,
    rows_of_mart.is_headline_ruleset,
    cast(rows_of_mart.modality as string) as modality,
    cast(rows_of_mart.share_overseas_low as double) as share_overseas_low,
    cast(rows_of_mart.share_overseas_high as double) as share_overseas_high,
    cast(rows_of_mart.share_overseas_mid_known_only as double) as share_overseas_mid_known_only,
    cast(rows_of_mart.coverage_share as double) as coverage_share,
    cast(rows_of_mart.share_mixed as double) as share_mixed,
    cast(rows_of_mart.coverage_grade_a_share as double) as coverage_grade_a_share,
    cast(rows_of_mart.coverage_grade_b_share as double) as coverage_grade_b_share,
    cast(rows_of_mart.coverage_grade_c_share as double) as coverage_grade_c_share,
    cast(rows_of_mart.coverage_grade_d_share as double) as coverage_grade_d_share,
    cast(rows_of_mart.coverage_grade_e_share as double) as coverage_grade_e_share,
    cast(rows_of_mart.coverage_legal_document_share as double) as coverage_legal_document_share,
    cast(rows_of_mart.coverage_listing_one_country_share as double) as coverage_listing_one_country_share,
    cast(rows_of_mart.coverage_listing_several_countries_share as double) as coverage_listing_several_countries_share,
    cast(rows_of_mart.evidence_grades as string) as evidence_grades,
    cast(rows_of_mart.evidence_markets as string) as evidence_markets,
    cast(rows_of_mart.sales_jpy as double) as sales_jpy,
    cast(rows_of_mart.weight_kg as double) as weight_kg,
    cast(rows_of_mart.coverage_strength_share as double) as coverage_strength_share,
    cast(rows_of_mart.n_products as bigint) as n_products,
    cast(rows_of_mart.n_products_known as bigint) as n_products_known,
    cast(rows_of_mart.n_substances as bigint) as n_substances,
    cast(rows_of_mart.n_substances_known as bigint) as n_substances_known,
    cast(rows_of_mart.top_unknown_substances as string) as top_unknown_substances,
    rows_of_mart.is_comparable,
    cast(rows_of_mart.reason_code as string) as reason_code,
    cast(rows_of_mart.data_status as string) as data_status,
    cast(max(rows_of_mart.year) over (
        partition by rows_of_mart.basis, rows_of_mart.market_iso3, rows_of_mart.scope_id, rows_of_mart.measure
    ) as int) as last_data_year,
    cast(rows_of_mart.definition_ids as string) as definition_ids,
    cast(rows_of_mart.source_codes as string) as source_codes,
    cast(rows_of_mart.edition_ids as string) as edition_ids
from rows_of_mart
order by
    case rows_of_mart.basis when 'opir_2015_study' then 1 else 2 end nulls last,
    rows_of_mart.market_iso3 nulls last,
    rows_of_mart.scope_id nulls last,
    rows_of_mart.measure nulls last,
    rows_of_mart.is_headline_ruleset desc nulls last,
    rows_of_mart.ruleset_id nulls last,
    rows_of_mart.year nulls last,
    case when rows_of_mart.modality = 'all' then 1 else 2 end nulls last,
    rows_of_mart.modality nulls last
