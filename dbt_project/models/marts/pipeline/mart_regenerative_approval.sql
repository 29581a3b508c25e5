-- Cord blood is licensed by the United States only and stands apart: `all` leaves it out.
with products as (
    select * from {{ ref('int_regenerative_product') }}
),

expanded as (
    select products.*, products.product_kind as kind from products
    union all
    select products.*, 'all' as kind from products where products.product_kind <> 'cord_blood'
),

by_year as (
    select
        'approved_in_year' as basis,
        agency,
        market_iso3,
        kind,
        cast(extract(year from approved_on) as int) as year,
        cast(null as date) as as_of_on,
        count(*) as n_approved,
        count(case when approval_kind is not null then 1 end) as n_with_approval_kind,
        count(case when approval_kind = 'conditional' then 1 end) as n_conditional,
        count(case when is_orphan then 1 end) as n_orphan,
        count(case when kind_basis = 'vocabulary' then 1 end) as n_by_vocabulary,
        false as is_incomplete,
        {{ worst_status('data_status') }} as data_status,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
    from expanded
    where approved_on is not null
    group by agency, market_iso3, kind, cast(extract(year from approved_on) as int)
),

-- Days on which Japan's list of approvals, the European Union's list and Japan's last price list stood: each agency's
-- approvals up to them.
days as (
    select max(approval_listed_on) as as_of_on from products where agency = 'MHLW'
    union
    select max(approval_listed_on) as as_of_on from products where agency = 'EMA'
    union
    select max(last_price_listed_on) as as_of_on from products where agency = 'MHLW'
),

list_days as (
    select
        agency,
        max(approval_listed_on) as approval_list_on
    from products
    group by agency
),

by_day as (
    select
        'approved_by_day' as basis,
        expanded.agency,
        expanded.market_iso3,
        expanded.kind,
        cast(extract(year from days.as_of_on) as int) as year,
        days.as_of_on,
        count(*) as n_approved,
        count(case when expanded.approval_kind is not null then 1 end) as n_with_approval_kind,
        count(case when expanded.approval_kind = 'conditional' then 1 end) as n_conditional,
        count(case when expanded.is_orphan then 1 end) as n_orphan,
        count(case when expanded.kind_basis = 'vocabulary' then 1 end) as n_by_vocabulary,
        -- After the day of its list of approvals an agency has approved more than is seen here.
        days.as_of_on > max(list_days.approval_list_on) as is_incomplete,
        {{ worst_status('expanded.data_status') }} as data_status,
        {{ merge_lists([distinct_list('expanded.source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('expanded.edition_ids')]) }} as edition_ids
    from expanded
    inner join list_days
        on list_days.agency = expanded.agency
    cross join days
    where
        expanded.approved_on <= days.as_of_on
        or (
            expanded.approved_on is null
            and coalesce(expanded.approval_listed_on, expanded.first_price_listed_on) <= days.as_of_on
        )
    group by expanded.agency, expanded.market_iso3, expanded.kind, days.as_of_on
),

-- Japan's lists give no day of approval, so that there is no count by year.
undated as (
    select
        'approved_in_year' as basis,
        agency,
        market_iso3,
        kind,
        cast(null as int) as year,
        cast(null as date) as as_of_on,
        cast(null as bigint) as n_approved,
        cast(null as bigint) as n_with_approval_kind,
        cast(null as bigint) as n_conditional,
        cast(null as bigint) as n_orphan,
        count(case when kind_basis = 'vocabulary' then 1 end) as n_by_vocabulary,
        false as is_incomplete,
        {{ worst_status('data_status') }} as data_status,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
    from expanded
    where agency = 'MHLW'
    group by agency, market_iso3, kind
    having count(approved_on) = 0
),

rows_of_mart as (
    select * from by_day
    union all
    select * from by_year
    union all
    select * from undated
)

select
    cast(basis as string) as basis,
    cast(agency as string) as agency,
    cast(market_iso3 as string) as market_iso3,
    cast(kind as string) as product_kind,
    cast(year as int) as year,
    cast(as_of_on as date) as as_of_date,
    cast(n_approved as int) as n_approved,
    cast(case when basis = 'approved_in_year' then sum(n_approved) over (
        partition by basis, agency, kind order by year nulls last rows between unbounded preceding and current row
    ) end as int) as n_approved_cumulative,
    cast(case when n_with_approval_kind > 0 then n_conditional end as int) as n_conditional,
    cast(case when agency <> 'MHLW' then n_orphan end as int) as n_orphan,
    cast(n_with_approval_kind * 1.0 / nullif(n_approved, 0) as double) as coverage_share,
    is_incomplete,
    cast(case
        when n_approved is null then 'lists_without_approval_dates'
        when n_with_approval_kind = 0 then 'kind_of_approval_not_listed'
    end as string) as reason_code,
    cast(data_status as string) as data_status,
    cast(coalesce(max(year) over (partition by agency), 2019) as int) as last_data_year,
    cast({{ merge_lists(["'regenerative_product_by_agency'",
        "case when n_by_vocabulary < coalesce(n_approved, 0) then 'regenerative_kind_by_name' end"]) }} as string)
        as definition_ids,
    cast(source_codes as string) as source_codes,
    cast(edition_ids as string) as edition_ids
from rows_of_mart
order by
    basis nulls last,
    as_of_date desc nulls last,
    case agency when 'MHLW' then 1 when 'EMA' then 2 else 3 end nulls last,
    case kind when 'all' then 1 else 2 end nulls last,
    kind nulls last,
    year nulls last
