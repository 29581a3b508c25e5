-- Each report added up over partners, beside the publisher's own world total: a control total, never added to them.
-- Partners are added up before lists are made, of what is then one row for each valuation and edition.
{%- set key = [
    'publisher', 'year', 'reporter_iso3', 'hs_revision', 'is_revision_assumed', 'hs_code', 'flow', 'is_reconciled',
    'n_months'
] %}
with parts as (
    select
        {{ key | join(', ') }},
        valuations,
        data_status,
        source_codes,
        edition_ids,
        sum(case when partner_iso3 = 'WLD' then value_usd end) as world_usd,
        sum(case when partner_iso3 <> 'WLD' then value_usd end) as partners_usd
    from {{ ref('int_trade_report') }}
    group by
        {{ key | join(', ') }},
        valuations, data_status, source_codes, edition_ids
),

summed as (
    select
        {{ key | join(', ') }},
        sum(world_usd) as world_usd,
        sum(partners_usd) as partners_usd,
        {{ merge_lists([distinct_list('valuations')]) }} as valuations,
        {{ worst_status('data_status', at_least='reported') }} as data_status,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
    from parts
    group by {{ key | join(', ') }}
)

select
    *,
    case
        when world_usd is null then is_reconciled
        when partners_usd is null then world_usd = 0
        else abs(partners_usd - world_usd) <= {{ var('trade_total_tolerance') }} * world_usd
    end as is_whole,
    coalesce(partners_usd, world_usd) as total_usd
from summed
