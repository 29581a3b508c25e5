-- How concentrated contract manufacturing is, and Japan's part, by two sets that are not the market: the companies with a
-- published perimeter in a year, and shares that a document prints. What nobody is named for may be anybody's.
with listed as (
    select
        'listed_cdmo_perimeters' as definition_id,
        cast(year as string) as period_label,
        year,
        cast(null as string) as document_url,
        company_name,
        hq_iso3,
        revenue_usd / nullif(sum(revenue_usd) over (partition by year), 0) as share,
        'derived' as data_status,
        {{ merge_lists(['source_code', 'fx_source_codes']) }} as source_codes,
        {{ merge_lists(['edition_id', 'fx_edition_ids']) }} as edition_ids
    from {{ ref('int_company_fact') }}
    where is_in_listed_set
),

printed as (
    select
        'third_party_shares' as definition_id,
        period_label,
        cast(extract(year from published_on) as int) as year,
        document_url,
        company_name,
        hq_iso3,
        value as share,
        {{ worse_status(['status', "'derived'"]) }} as data_status,
        source_code as source_codes,
        edition_id as edition_ids
    from {{ ref('stg_company_fact') }}
    where metric = 'market_share' and unit = 'share' and value > 0
),

shares as (
    select *, rank() over (partition by definition_id, period_label, document_url order by share desc, company_name) as place
    from (
        select * from listed
        union all
        select * from printed
    ) as together
),

grouped as (
    select
        definition_id,
        period_label,
        year,
        document_url,
        count(*) as n_companies,
        {{ ordered_list("company_name || ' ' || " ~ text_percent('share'), 'share desc, company_name', ', ') }} as companies,
        max(share) as share_largest,
        sum(case when place <= 3 then share end) as share_largest_three,
        sum(share) as share_listed,
        sum(case when hq_iso3 = 'JPN' then share else 0 end) as share_japan,
        count(case when hq_iso3 = 'JPN' then 1 end) as n_japanese,
        {{ worst_status('data_status') }} as data_status,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
    from shares
    group by definition_id, period_label, year, document_url
)

select
    cast(grouped.definition_id as string) as set_id,
    cast(grouped.period_label as string) as period_label,
    cast(grouped.year as int) as year,
    cast(grouped.n_companies as int) as n_companies,
    cast(grouped.companies as string) as companies,
    cast(grouped.share_listed as double) as share_listed,
    cast(case when grouped.definition_id = 'third_party_shares' then greatest(1 - grouped.share_listed, 0.0) end as double)
        as share_residual,
    cast(case when grouped.n_companies > 1 then grouped.share_largest end as double) as share_largest,
    cast(case when grouped.n_companies > 2 then grouped.share_largest_three end as double) as share_largest_three,
    cast(case when grouped.n_companies > 1 then bounds.hhi_low end as double) as hhi_low,
    cast(case when grouped.n_companies > 1 then bounds.hhi_high end as double) as hhi_high,
    cast(grouped.n_japanese as int) as n_japanese,
    cast(case when grouped.n_companies > 1 then grouped.share_japan end as double) as share_japan_low,
    cast(case
        when grouped.definition_id = 'third_party_shares'
            then grouped.share_japan + greatest(1 - grouped.share_listed, 0.0)
    end as double) as share_japan_high,
    cast(case
        when grouped.n_companies = 1 then 'one_company_only'
        when grouped.definition_id = 'listed_cdmo_perimeters' then 'others_not_listed'
        when grouped.share_listed < 1 then 'market_and_year_not_stated'
    end as string) as reason_code,
    cast(grouped.document_url as string) as document_url,
    cast(grouped.data_status as string) as data_status,
    cast(grouped.year as int) as last_data_year,
    cast({{ merge_lists(['grouped.definition_id',
        "case when grouped.definition_id = 'third_party_shares' then 'printed_share_bounds' end",
        "case when grouped.definition_id = 'listed_cdmo_perimeters' then 'fx_period_average' end"]) }} as string) as definition_ids,
    cast(grouped.source_codes as string) as source_codes,
    cast(grouped.edition_ids as string) as edition_ids
from grouped
left join {{ ref('int_cdmo_concentration') }} as bounds
    on bounds.definition_id = grouped.definition_id
    and bounds.period_label = grouped.period_label
    and bounds.document_url is not distinct from grouped.document_url
order by grouped.definition_id nulls last, grouped.year desc nulls last
