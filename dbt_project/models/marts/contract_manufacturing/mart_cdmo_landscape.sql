with facts as (
    select
        *,
        case
            when is_in_listed_set and sum(case when is_in_listed_set then 1 end) over (partition by year) > 1
                then revenue_usd / nullif(sum(case when is_in_listed_set then revenue_usd end) over (partition by year), 0)
        end as share_of_listed
    from {{ ref('int_company_fact') }}
)

select
    cast(facts.company_id as string) as company_id,
    cast(facts.company_name as string) as company_name,
    cast(facts.hq_iso3 as string) as hq_iso3,
    coalesce(facts.hq_iso3 = 'JPN', false) as is_japan_headquarters,
    coalesce(facts.site_country_iso3 = 'JPN', false) as is_japan_site,
    cast(facts.metric as string) as metric,
    cast(facts.fact_kind as string) as fact_kind,
    cast(facts.period_label as string) as period_label,
    facts.period_start,
    facts.period_end,
    cast(facts.period_basis as string) as period_basis,
    cast(facts.year as int) as year,
    cast(facts.perimeter as string) as perimeter,
    facts.is_cdmo_perimeter,
    cast(facts.site_name as string) as site_name,
    cast(facts.site_country_iso3 as string) as site_country_iso3,
    cast(facts.modality as string) as modality,
    cast(facts.value as double) as value,
    cast(facts.unit as string) as unit,
    cast(facts.currency as string) as currency,
    cast(facts.revenue_usd as double) as revenue_usd,
    cast(facts.revenue_jpy as double) as revenue_jpy,
    cast(facts.fx_lcu_per_usd as double) as fx_lcu_per_usd,
    cast(facts.fx_jpy_per_usd as double) as fx_jpy_per_usd,
    cast(case when facts.unit = 'litres' then facts.value end as double) as capacity_litres,
    facts.is_in_listed_set,
    cast(facts.share_of_listed as double) as share_of_listed,
    cast(case when facts.is_in_listed_set then listed.n_firms end as int) as n_listed,
    cast(case when facts.is_in_listed_set and listed.n_firms > 1 then listed.hhi_low end as double) as hhi_listed,
    cast(slide.share_residual as double) as share_residual,
    cast(slide.hhi_low as double) as hhi_bound_low,
    cast(slide.hhi_high as double) as hhi_bound_high,
    cast(facts.source_type as string) as source_type,
    cast(facts.confidence as string) as confidence,
    facts.series_break,
    cast(facts.document_url as string) as document_url,
    cast(facts.note as string) as note,
    cast(case
        when facts.revenue_usd is not null and facts.currency <> 'USD'
            then {{ worse_status(['facts.status', "'derived'"]) }}
        else facts.status
    end as string) as data_status,
    cast(max(facts.year) over (partition by facts.company_id, facts.metric, facts.fact_kind) as int) as last_data_year,
    cast(case
        when facts.is_in_listed_set then 'fx_period_average,listed_cdmo_perimeters'
        when slide.hhi_low is not null then 'third_party_shares'
        when facts.revenue_usd is not null then 'fx_period_average'
    end as string) as definition_ids,
    cast({{ merge_lists(['facts.source_code', 'facts.fx_source_codes']) }} as string) as source_codes,
    cast({{ merge_lists(['facts.edition_id', 'facts.fx_edition_ids']) }} as string) as edition_ids
from facts
left join {{ ref('int_cdmo_concentration') }} as listed
    on listed.definition_id = 'listed_cdmo_perimeters'
    and listed.year = facts.year
left join {{ ref('int_cdmo_concentration') }} as slide
    on slide.definition_id = 'third_party_shares'
    and slide.period_label = facts.period_label
    and slide.document_url is not distinct from facts.document_url
    and facts.metric = 'market_share'
order by
    case facts.metric when 'revenue' then 1 when 'bioreactor_capacity' then 2 else 3 end nulls last,
    facts.metric nulls last,
    facts.year desc nulls last,
    facts.is_in_listed_set desc nulls last,
    facts.revenue_usd desc nulls last,
    facts.company_name nulls last,
    facts.fact_kind nulls last,
    facts.perimeter nulls last,
    facts.period_label nulls last,
    facts.site_name nulls last
