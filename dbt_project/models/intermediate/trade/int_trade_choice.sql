-- For each basket, reporter, year and direction the reports that speak of it, in the order of preference: `choice` 1 is
-- the one report that marts take, `own_choice` 1 the country's own one, which mirror comparisons take.
-- A code counts as loaded where the publisher's editions hold it for any reporter and year.
with members as (
    select basket_id, hs_revision, hs_code
    from {{ source('vocabulary', 'commodity_basket_code') }}
),

sizes as (
    select basket_id, hs_revision, count(*) as n_codes
    from members
    group by basket_id, hs_revision
),

loaded_codes as (
    select distinct publisher, hs_revision, hs_code
    from {{ ref('int_trade_total') }}
),

loaded as (
    select
        members.basket_id,
        loaded_codes.publisher,
        loaded_codes.hs_revision,
        count(*) as n_codes_loaded
    from loaded_codes
    inner join members
        on members.hs_revision = loaded_codes.hs_revision
        and members.hs_code = loaded_codes.hs_code
    group by members.basket_id, loaded_codes.publisher, loaded_codes.hs_revision
),

candidates as (
    select
        members.basket_id,
        total.reporter_iso3,
        total.year,
        total.flow,
        total.publisher,
        total.hs_revision,
        total.is_revision_assumed,
        total.is_reconciled,
        min(total.n_months) as n_months,
        min(case when total.is_whole then 1 else 0 end) = 1 as is_whole,
        sum(total.total_usd) as value_usd,
        {{ merge_lists([distinct_list('total.valuations')]) }} as valuations,
        {{ worst_status('total.data_status') }} as data_status,
        {{ merge_lists([distinct_list('total.source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('total.edition_ids')]) }} as edition_ids
    from {{ ref('int_trade_total') }} as total
    inner join members
        on members.hs_revision = total.hs_revision
        and members.hs_code = total.hs_code
    group by
        members.basket_id, total.reporter_iso3, total.year, total.flow, total.publisher, total.hs_revision,
        total.is_revision_assumed, total.is_reconciled
),

judged as (
    select
        candidates.*,
        sizes.n_codes,
        loaded.n_codes_loaded,
        loaded.n_codes_loaded / cast(sizes.n_codes as double) as coverage_share,
        candidates.is_whole and loaded.n_codes_loaded = sizes.n_codes as is_usable,
        case candidates.publisher
            {%- for publisher in var('trade_publishers') %}
            when '{{ publisher }}' then {{ loop.index }}
            {%- endfor %}
            else 99
        end as preference
    from candidates
    inner join sizes
        on sizes.basket_id = candidates.basket_id
        and sizes.hs_revision = candidates.hs_revision
    inner join loaded
        on loaded.basket_id = candidates.basket_id
        and loaded.publisher = candidates.publisher
        and loaded.hs_revision = candidates.hs_revision
)

select
    *,
    row_number() over (
        partition by basket_id, reporter_iso3, year, flow
        order by coverage_share desc, is_whole desc, preference, is_revision_assumed, hs_revision desc, publisher
    ) as choice,
    row_number() over (
        partition by basket_id, reporter_iso3, year, flow
        order by
            is_reconciled, coverage_share desc, is_whole desc, preference, is_revision_assumed, hs_revision desc,
            publisher
    ) as own_choice
from judged
