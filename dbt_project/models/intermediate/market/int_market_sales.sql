-- Sales of medicines in Japan's health insurance by scope: every row of a scope that is complete in its year.
-- `injection` needs the three settings of injections, `all_routes` the three settings of all three routes; a year in
-- which a workbook is missing has no row of that scope rather than too small a total.
with sales as (
    select
        *,
        cast(extract(year from period_start) as int) as fiscal_year
    from {{ ref('stg_sales_observation') }}
    where
        price_basis = 'national_reimbursement_price'
        and period_basis = 'fiscal_year'
        and row_kind in ('product', 'remainder')
),

scoped as (
    select 'ndb_injection' as scope_id, 3 as cells_needed, sales.*
    from sales
    where route = 'injection'
    union all
    select 'ndb_all_routes' as scope_id, 9 as cells_needed, sales.*
    from sales
    where route in ('injection', 'oral', 'topical')
),

cells as (
    select distinct
        scope_id, cells_needed, market_iso3, fiscal_year, route, setting
    from scoped
),

complete as (
    select
        scope_id, market_iso3, fiscal_year
    from cells
    group by scope_id, market_iso3, fiscal_year
    having count(*) >= max(cells_needed)
)

select
    scoped.scope_id,
    scoped.market_iso3,
    scoped.fiscal_year,
    scoped.period_start,
    scoped.period_end,
    scoped.price_basis,
    scoped.row_kind,
    scoped.product_code_system,
    scoped.product_code,
    scoped.product_name,
    scoped.route,
    scoped.setting,
    scoped.class_code,
    scoped.class_name,
    scoped.quantity,
    scoped.currency,
    scoped.value as sales_jpy,
    scoped.status,
    scoped.source_code,
    scoped.edition_id
from scoped
inner join complete
    on complete.scope_id = scoped.scope_id
    and complete.market_iso3 = scoped.market_iso3
    and complete.fiscal_year = scoped.fiscal_year
