-- Average exchange rates by currency and period, as units of the currency for one US dollar.
-- Where the source prices the euro only, the dollar rate is the ratio of the two averages; the dollar itself is 1.
with averages as (
    select
        area_code as currency,
        counter_code,
        period_basis,
        period_start,
        period_end,
        value,
        source_code,
        edition_id,
        status
    from {{ ref('stg_reference_rate') }}
    where series_code = 'fx' and rate_basis = 'period_average' and value > 0
),

direct as (
    select
        currency, period_basis, period_start, period_end, value as lcu_per_usd, source_code, edition_id, status
    from averages
    where counter_code = 'USD' and currency <> 'USD'
),

by_euro as (
    select
        one.currency,
        one.period_basis,
        one.period_start,
        one.period_end,
        one.value / nullif(dollar.value, 0) as lcu_per_usd,
        one.source_code,
        one.edition_id,
        one.status
    from averages as one
    inner join averages as dollar
        on dollar.currency = 'USD'
        and dollar.counter_code = 'EUR'
        and dollar.period_basis = one.period_basis
        and dollar.period_start = one.period_start
        and dollar.period_end = one.period_end
    where one.counter_code = 'EUR' and one.currency <> 'USD'
),

euro_itself as (
    select
        'EUR' as currency,
        period_basis,
        period_start,
        period_end,
        1.0 / nullif(value, 0) as lcu_per_usd,
        source_code,
        edition_id,
        status
    from averages
    where counter_code = 'EUR' and currency = 'USD'
),

dollar_itself as (
    select
        'USD' as currency, period_basis, period_start, period_end, 1.0 as lcu_per_usd, source_code, edition_id, status
    from averages
    where counter_code = 'EUR' and currency = 'USD'
),

candidates as (
    select 1 as preference, direct.* from direct
    union all
    select 2 as preference, by_euro.* from by_euro
    union all
    select 2 as preference, euro_itself.* from euro_itself
    union all
    select 1 as preference, dollar_itself.* from dollar_itself
),

ranked as (
    select
        *,
        row_number() over (
            partition by currency, period_basis, period_start, period_end order by preference, source_code
        ) as choice
    from candidates
)

select
    currency,
    period_basis,
    period_start,
    period_end,
    lcu_per_usd,
    source_code,
    edition_id,
    status
from ranked
where choice = 1
