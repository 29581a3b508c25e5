with deals as (
    select
        *,
        cast(extract(year from deal_on) as int) as year
    from {{ ref('stg_deal') }}
),

companies as (
    select
        {{ comparable_name('name_en') }} as name_key,
        max(hq_iso3) as hq_iso3
    from {{ source('vocabulary', 'company') }}
    where hq_iso3 is not null
    group by {{ comparable_name('name_en') }}
),

yearly as (
    select
        currency,
        cast(extract(year from period_start) as int) as year,
        lcu_per_usd,
        source_code,
        edition_id
    from {{ ref('int_fx') }}
    where
        extract(month from period_start) = 1 and extract(month from period_end) = 12
        and extract(year from period_start) = extract(year from period_end)
)

select
    cast(deals.acquirer_name as string) as acquirer_name,
    cast(acquirer.hq_iso3 as string) as acquirer_hq_iso3,
    coalesce(acquirer.hq_iso3 = 'JPN', false) as is_japanese_acquirer,
    cast(deals.target_name as string) as target_name,
    cast(deals.asset_iso3 as string) as asset_iso3s,
    coalesce(deals.asset_iso3 like '%JPN%', false) as is_asset_in_japan,
    deals.deal_on,
    cast(deals.deal_date_label as string) as deal_date_label,
    cast(deals.year as int) as year,
    cast(deals.deal_stage as string) as deal_stage,
    deals.is_cdmo,
    cast(deals.value as double) as value_lcu,
    cast(deals.currency as string) as currency,
    cast(deals.value / nullif(coalesce(own.lcu_per_usd, case when deals.currency = 'USD' then 1.0 end), 0) as double)
        as value_usd,
    cast(deals.value / nullif(coalesce(own.lcu_per_usd, case when deals.currency = 'USD' then 1.0 end), 0)
        * yen.lcu_per_usd as double) as value_jpy,
    cast(yen.lcu_per_usd as double) as fx_jpy_per_usd,
    cast(deals.capacity_litres as double) as capacity_litres,
    coalesce(deals.note like '%part of its purchase%', false) as is_part_of_another,
    cast(deals.document_url as string) as document_url,
    cast(deals.note as string) as note,
    cast(case
        when deals.value is null then 'no_price_stated'
        when yen.lcu_per_usd is null then 'no_exchange_rate'
    end as string) as reason_code,
    cast(case when yen.lcu_per_usd is not null and deals.value is not null
        then {{ worse_status(['deals.status', "'derived'"]) }} else deals.status end as string) as data_status,
    cast(max(deals.year) over () as int) as last_data_year,
    cast({{ merge_lists(["'cdmo_deal_as_documented'", "case when yen.lcu_per_usd is not null then 'fx_period_average' end"]) }}
        as string) as definition_ids,
    cast({{ merge_lists(['deals.source_code', 'case when deals.value is not null then yen.source_code end']) }} as string)
        as source_codes,
    cast({{ merge_lists(['deals.edition_id', 'case when deals.value is not null then yen.edition_id end']) }} as string)
        as edition_ids
from deals
left join companies as acquirer
    on acquirer.name_key = {{ comparable_name('deals.acquirer_name') }}
left join yearly as own
    on own.currency = deals.currency
    and own.year = deals.year
left join yearly as yen
    on yen.currency = 'JPY'
    and yen.year = deals.year
order by deals.deal_on desc nulls last, deals.acquirer_name nulls last, deals.target_name nulls last
