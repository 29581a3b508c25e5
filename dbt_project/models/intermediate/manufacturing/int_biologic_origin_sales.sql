-- Sales of every biologic by scope, year and rule set, with the origin of the product. The amount that a figure rests
-- on is the sum of the three settings; a product without any published amount has none. Grams of active substance are
-- the quantity times the strength, null where the strength is no mass.
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
    sales.is_biosimilar,
    origin.origin,
    origin.share_of_countries_overseas,
    origin.evidence_grade,
    origin.best_evidence_kind,
    origin.site_countries,
    origin.evidence_markets,
    sum(sales.sales_jpy) as sales_jpy,
    max(strength.grams_per_unit) as grams_per_unit,
    sum(sales.quantity) * max(strength.grams_per_unit) as grams,
    max(strength.reason_code) as strength_reason_code,
    max(strength.source_code) as strength_source_code,
    max(strength.edition_id) as strength_edition_id,
    {{ worst_status('sales.status') }} as data_status,
    {{ distinct_list('sales.source_code') }} as sales_source_codes,
    {{ distinct_list('sales.edition_id') }} as sales_edition_ids,
    origin.source_codes as origin_source_codes,
    origin.edition_ids as origin_edition_ids
from {{ ref('int_market_product_class') }} as sales
inner join {{ ref('int_product_origin') }} as origin
    on origin.market_iso3 = sales.market_iso3
    and origin.product_code = sales.product_code
left join {{ ref('int_product_strength') }} as strength
    on strength.product_code = sales.product_code
    and sales.row_kind = 'product'
where sales.is_biologic
group by
    sales.market_iso3, sales.fiscal_year, sales.scope_id, sales.price_basis, sales.ruleset_id,
    sales.is_headline_ruleset, sales.product_code, sales.substance_id, sales.substance_name_en, sales.modality,
    sales.is_biosimilar, origin.origin, origin.share_of_countries_overseas, origin.evidence_grade,
    origin.best_evidence_kind, origin.site_countries, origin.evidence_markets, origin.source_codes, origin.edition_ids
