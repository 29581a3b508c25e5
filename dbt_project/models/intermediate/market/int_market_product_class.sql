-- Sales of each complete scope under each rule set: which part of the market every row belongs to.
-- part: a modality that the rule set counts as biologic, `not_biologic`, or `unclassified` (marked as recombinant by
-- the price list but not in the vocabulary, so that the share has an upper bound).
select
    sales.scope_id,
    sales.market_iso3,
    sales.fiscal_year,
    sales.period_start,
    sales.period_end,
    sales.price_basis,
    rulesets.ruleset_id,
    rulesets.is_headline as is_headline_ruleset,
    case
        when rules.is_biologic then product.modality
        when product.mapping = 'unclassified' then 'unclassified'
        else 'not_biologic'
    end as part,
    coalesce(rules.is_biologic, false) as is_biologic,
    sales.row_kind,
    sales.product_code,
    sales.product_name,
    product.substance_id,
    product.substance_name_en,
    product.modality,
    product.is_biosimilar,
    sales.sales_jpy,
    sales.quantity,
    sales.status,
    sales.source_code,
    sales.edition_id,
    product.list_source_code,
    product.list_edition_id
from {{ ref('int_market_sales') }} as sales
cross join {{ source('vocabulary', 'modality_ruleset') }} as rulesets
left join {{ ref('int_product_substance') }} as product
    on product.product_code = sales.product_code
    and product.product_code_system = sales.product_code_system
    and sales.row_kind = 'product'
left join {{ source('vocabulary', 'modality_rule') }} as rules
    on rules.ruleset_id = rulesets.ruleset_id
    and rules.modality = product.modality
