-- Medicare Part B by billing code and calendar year: spending, dosage units, substance and modality.
-- Remainder rows (other drugs in one sum) have no substance and stay in the total.
with part_b as (
    select
        *,
        cast(extract(year from period_start) as int) as calendar_year,
        lower(replace(substance_name, ' ', '')) as substance_key
    from {{ ref('stg_sales_observation') }}
    where
        setting = 'part_b'
        and market_iso3 = 'USA'
        and period_basis = 'calendar_year'
        and row_kind in ('product', 'remainder')
)

select
    'medicare_part_b' as scope_id,
    part_b.calendar_year,
    part_b.period_start,
    part_b.period_end,
    part_b.price_basis,
    part_b.row_kind,
    part_b.product_code,
    part_b.product_name,
    part_b.substance_name,
    coalesce(us.substance_id, inn.substance_id) as substance_id,
    substance.name_en as substance_name_en,
    substance.modality,
    part_b.quantity,
    part_b.quantity_unit,
    part_b.value as sales_usd,
    part_b.status,
    part_b.source_code,
    part_b.edition_id
from part_b
left join {{ source('vocabulary', 'substance_alias') }} as us
    on us.alias_scheme = 'us_substance'
    and us.alias = part_b.substance_key
left join {{ source('vocabulary', 'substance_alias') }} as inn
    on inn.alias_scheme = 'inn'
    and inn.alias = part_b.substance_key
left join {{ source('vocabulary', 'substance') }} as substance
    on substance.substance_id = coalesce(us.substance_id, inn.substance_id)
