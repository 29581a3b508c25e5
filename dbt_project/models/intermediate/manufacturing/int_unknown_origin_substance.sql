-- Substances of unknown origin by sales, over all biologics and by modality, one row per substance.
with unknown as (
    select
        market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, modality, substance_id, substance_name_en, sales_jpy
    from {{ ref('int_biologic_origin_sales') }}
    where origin = 'unknown' and sales_jpy > 0
),

expanded as (
    select
        market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, modality, substance_id, substance_name_en, sales_jpy
    from unknown
    union all
    select
        market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, 'all' as modality, substance_id,
        substance_name_en, sales_jpy
    from unknown
),

summed as (
    select
        market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, modality, substance_id, substance_name_en,
        sum(sales_jpy) as sales_jpy
    from expanded
    group by
        market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, modality, substance_id, substance_name_en
)

select
    *,
    row_number() over (
        partition by market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, modality
        order by sales_jpy desc nulls last, substance_id nulls last
    ) as position
from summed
