with events as (
    select
        *,
        cast(extract(year from event_on) as int) - case when extract(month from event_on) < 4 then 1 else 0 end
            as april_year,
        -- What is dated to a calendar year is converted at the rate of that year, all else at that of the fiscal year.
        case when event_precision = 'year' then 'calendar_year' else 'fiscal_year_april' end as rate_basis,
        cast(extract(year from event_on) as int)
        - case when event_precision <> 'year' and extract(month from event_on) < 4 then 1 else 0 end as rate_year
    from {{ ref('stg_policy_event') }}
),

rates as (
    select
        currency,
        period_basis as rate_basis,
        cast(extract(year from period_start) as int) as rate_year,
        lcu_per_usd,
        source_code,
        edition_id,
        status
    from {{ ref('int_fx') }}
    where period_basis in ('fiscal_year_april', 'calendar_year')
),

converted as (
    select
        events.*,
        own.lcu_per_usd as own_per_usd,
        yen.lcu_per_usd as jpy_per_usd,
        case when events.amount is not null then coalesce(own.source_code, yen.source_code) end as fx_source_code,
        case when events.amount is not null then coalesce(own.edition_id, yen.edition_id) end as fx_edition_id,
        case when events.amount is not null then own.status end as fx_status
    from events
    left join rates as own
        on own.currency = events.currency
        and own.rate_basis = events.rate_basis
        and own.rate_year = events.rate_year
    left join rates as yen
        on yen.currency = 'JPY'
        and yen.rate_basis = events.rate_basis
        and yen.rate_year = events.rate_year
)

select
    cast(event_on as date) as event_on,
    cast(extract(year from event_on) as int) as calendar_year,
    cast(coalesce(fiscal_year, april_year) as int) as fiscal_year,
    cast(event_precision as string) as event_precision,
    cast(event_id as string) as event_id,
    cast(event_kind as string) as event_kind,
    event_kind not in ('series_marker', 'study') as is_policy,
    cast(topic as string) as topic,
    cast(event_title as string) as event_title,
    cast(event_description as string) as event_description,
    cast(title_original as string) as title_original,
    cast(jurisdiction_iso3 as string) as jurisdiction_iso3,
    cast(body_name as string) as body_name,
    cast(programme_name as string) as programme_name,
    cast(amount as double) as amount,
    cast(currency as string) as currency,
    cast(amount_kind as string) as amount_kind,
    cast(case when currency = 'JPY' then amount else amount / own_per_usd * jpy_per_usd end as double) as amount_jpy,
    cast(amount / own_per_usd as double) as amount_usd,
    cast(case when amount is not null then jpy_per_usd end as double) as fx_jpy_per_usd,
    cast(case when amount is not null then rate_basis end as string) as fx_period_basis,
    cast(project_count as int) as n_projects,
    cast(application_count as int) as n_applications,
    -- Marts whose series the event explains or could move.
    cast(case topic
        when 'overseas_manufacturing' then 'mart_overseas_manufacturing_share,mart_overseas_lookup_product'
        when 'cdmo_market' then 'mart_cdmo_landscape,mart_cdmo_market_projection'
        when 'regenerative_cdmo' then 'mart_regenerative_cdmo_register,mart_regenerative_approval'
        when 'rnd_spending' then 'mart_rnd_level,mart_rnd_growth'
        when 'trade' then 'facts.trade_flow'
        when 'production' then 'facts.production_observation'
    end as string) as series_to_lay_over,
    cast(document_title as string) as document_title,
    cast(document_url as string) as document_url,
    cast(published_on as date) as published_on,
    cast(confidence as string) as confidence,
    cast(case
        when amount is null then 'no_amount_stated'
        when own_per_usd is null then 'no_exchange_rate'
    end as string) as reason_code,
    cast(note as string) as note,
    cast({{ worse_status(['status', 'fx_status', "case when amount is not null then 'derived' end"]) }} as string)
        as data_status,
    cast(max(extract(year from event_on)) over (partition by jurisdiction_iso3) as int) as last_data_year,
    cast({{ merge_lists(["'policy_event_as_documented'", "case when amount is not null then 'fx_period_average' end"]) }}
        as string) as definition_ids,
    cast({{ merge_lists(['source_code', 'fx_source_code']) }} as string) as source_codes,
    cast({{ merge_lists(['edition_id', 'fx_edition_id']) }} as string) as edition_ids
from converted
order by event_on nulls last, event_id nulls last
