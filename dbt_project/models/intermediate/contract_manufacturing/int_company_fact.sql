-- Company facts with the exchange rates of their own period, and the mark of the set in which shares are taken.
-- The listed set holds one revenue figure per company and calendar year: actual, of a perimeter that is contract
-- development and manufacturing of biologics and nothing else. Where a company has two such figures, the better
-- documented one stands.
with facts as (
    select
        *,
        cast(extract(year from coalesce(period_start, period_end)) as int) as year,
        case confidence when 'high' then 1 when 'medium' then 2 else 3 end as confidence_order
    from {{ ref('stg_company_fact') }}
),

priced as (
    select
        facts.*,
        own.lcu_per_usd as fx_lcu_per_usd,
        yen.lcu_per_usd as fx_jpy_per_usd,
        case when facts.metric = 'revenue' and facts.unit = 'currency'
            then facts.value / nullif(own.lcu_per_usd, 0) end as revenue_usd,
        case
            when facts.metric = 'revenue' and facts.fact_kind = 'actual' and facts.currency = 'JPY' then facts.value
            when facts.metric = 'revenue' and facts.unit = 'currency'
                then facts.value / nullif(own.lcu_per_usd, 0) * yen.lcu_per_usd
        end as revenue_jpy,
        {{ merge_lists(['own.source_code', 'yen.source_code']) }} as fx_source_codes,
        {{ merge_lists(['own.edition_id', 'yen.edition_id']) }} as fx_edition_ids
    from facts
    left join {{ ref('int_fx') }} as own
        on own.currency = facts.currency
        and own.period_start = facts.period_start
        and own.period_end = facts.period_end
        and facts.fact_kind = 'actual'
        and facts.metric = 'revenue'
    left join {{ ref('int_fx') }} as yen
        on yen.currency = 'JPY'
        and yen.period_start = facts.period_start
        and yen.period_end = facts.period_end
        and facts.fact_kind = 'actual'
        and facts.metric = 'revenue'
),

eligible as (
    select
        *,
        coalesce(
            is_cdmo_perimeter
            and fact_kind = 'actual'
            and metric = 'revenue'
            and unit = 'currency'
            and status <> 'suppressed'
            and site_name is null
            and revenue_usd is not null
            and extract(month from period_start) = 1
            and extract(month from period_end) = 12
            and extract(year from period_start) = extract(year from period_end),
            false
        ) as is_eligible
    from priced
),

chosen as (
    select
        *,
        row_number() over (
            partition by company_id, year, is_eligible order by confidence_order, perimeter, period_label
        ) as choice
    from eligible
)

select
    *,
    is_eligible and choice = 1 as is_in_listed_set
from chosen
