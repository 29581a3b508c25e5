-- Sales of every biologic by scope, year and rule set, with the origin of the product. The amount that a figure rests
-- on is the sum of the three settings; a product without any published amount has none.
select
    sales.market_iso3,
    sales.fiscal_year,
    sales.scope_id,
    sales.price_basis,
    sales.ruleset_id,
    sales.is_headline_ruleset,
    sales.product_code,
    sales.substance_id,
    sales.substance_name_en,
    sales.modality,
    origin.origin,
    origin.share_of_countries_overseas,
    origin.evidence_grade,
    origin.best_evidence_kind,
    origin.site_countries,
    origin.evidence_markets,
    sum(sales.sales_jpy) as sales_jpy,
    {{ worst_status('sales.status') }} as data_status,
    {{ distinct_list('sales.source_code') }} as sales_source_codes,
    {{ distinct_list('sales.edition_id') }} as sales_edition_ids,
    origin.source_codes as origin_source_codes,
    origin.edition_ids as origin_edition_ids
from {{ ref('int_market_product_class') }} as sales
inner join {{ ref('int_product_origin') }} as origin
    on origin.market_iso3 = sales.market_iso3
    and origin.product_code = sales.product_code
where sales.is_biologic
group by
    sales.market_iso3, sales.fiscal_year, sales.scope_id, sales.price_basis, sales.ruleset_id,
    sales.is_headline_ruleset, sales.product_code, sales.substance_id, sales.substance_name_en, sales.modality,
    origin.origin, origin.share_of_countries_overseas, origin.evidence_grade, origin.best_evidence_kind,
    origin.site_countries, origin.evidence_markets, origin.source_codes, origin.edition_ids
