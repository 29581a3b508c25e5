-- Concentration of contract manufacturers: over the listed set by year, and, from third-party market shares that do
-- not add up to one, as bounds. low: the unlisted rest is spread over very many firms; high: it is held by as few
-- firms as possible, none larger than the third largest listed.
with listed as (
    select
        year,
        company_id,
        revenue_usd / nullif(sum(revenue_usd) over (partition by year), 0) as share
    from {{ ref('int_company_fact') }}
    where is_in_listed_set
),

slide as (
    select
        period_label,
        document_url,
        value as share,
        rank() over (partition by period_label, document_url order by value desc nulls last) as position
    from {{ ref('stg_company_fact') }}
    where metric = 'market_share' and unit = 'share' and value > 0
),

slide_sums as (
    select
        period_label,
        document_url,
        count(*) as n_firms,
        sum(share) as share_listed,
        sum(share * share) as hhi_low,
        min(case when position <= 3 then share end) as largest_unlisted
    from slide
    group by period_label, document_url
)

select
    'listed_cdmo_perimeters' as definition_id,
    cast(year as string) as period_label,
    cast(null as string) as document_url,
    year,
    count(*) as n_firms,
    cast(null as double) as share_residual,
    sum(share * share) as hhi_low,
    sum(share * share) as hhi_high
from listed
group by year
union all
select
    'third_party_shares' as definition_id,
    period_label,
    document_url,
    cast(null as int) as year,
    n_firms,
    greatest(1 - share_listed, 0.0) as share_residual,
    hhi_low,
    hhi_low
    + floor(greatest(1 - share_listed, 0.0) / nullif(largest_unlisted, 0)) * largest_unlisted * largest_unlisted
    + power(
        greatest(1 - share_listed, 0.0)
        - floor(greatest(1 - share_listed, 0.0) / nullif(largest_unlisted, 0)) * largest_unlisted,
        2
    ) as hhi_high
from slide_sums
