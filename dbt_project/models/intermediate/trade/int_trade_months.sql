-- In how many months of a year a country reported to a publisher, over all commodities; of a year's figure, as many as
-- the publisher states, else twelve.
with periods as (
    select
        publisher,
        year,
        reporter_iso3,
        partner_iso3,
        is_import_too,
        period_start,
        max(case when period_basis = 'month' then 1 else 0 end) as is_month,
        max(coalesce(months_stated, 12)) as n_months_stated
    from {{ ref('int_trade_published') }}
    group by publisher, year, reporter_iso3, partner_iso3, is_import_too, period_start
),

both_sides as (
    select publisher, year, reporter_iso3, period_start, is_month, n_months_stated
    from periods
    union all
    select publisher, year, partner_iso3 as reporter_iso3, period_start, is_month, n_months_stated
    from periods
    where is_import_too
)

select
    publisher,
    year,
    reporter_iso3,
    cast(case when max(is_month) = 1 then count(distinct period_start) else max(n_months_stated) end as int) as n_months
from both_sides
group by publisher, year, reporter_iso3
