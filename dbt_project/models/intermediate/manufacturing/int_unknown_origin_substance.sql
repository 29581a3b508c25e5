-- Substances of unknown origin by sales and by weight, over all biologics and by modality, one row per substance.
with unknown as (
    select
        'value' as measure, market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, modality, substance_id,
        substance_name_en, sales_jpy as amount
    from {{ ref('int_biologic_origin_sales') }}
    where origin = 'unknown' and sales_jpy > 0
    union all
    select
        'weight' as measure, market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, modality, substance_id,
        substance_name_en, grams as amount
    from {{ ref('int_biologic_origin_sales') }}
    where origin = 'unknown' and grams > 0
),

expanded as (
    select * from unknown
    union all
    select
        measure, market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, 'all' as modality, substance_id,
        substance_name_en, amount
    from unknown
),

summed as (
    select
        measure, market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, modality, substance_id,
        substance_name_en, sum(amount) as amount
    from expanded
    group by
        measure, market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, modality, substance_id, substance_name_en
)

select
    *,
    row_number() over (
        partition by measure, market_iso3, fiscal_year, scope_id, price_basis, ruleset_id, modality
        order by amount desc nulls last, substance_id nulls last
    ) as position
from summed
