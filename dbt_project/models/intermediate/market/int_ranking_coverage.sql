-- How complete each ranking is: which of the large companies of the world have products in it.
with rankings as (
    select
        ranking_id,
        ranking_rule_id,
        year,
        lists_world,
        count(*) as n_products,
        {{ worst_status('status') }} as status,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
    from {{ ref('int_ranking_product') }}
    group by ranking_id, ranking_rule_id, year, lists_world
),

companies as (
    select distinct
        ranking_rule_id,
        year,
        company_id
    from {{ ref('int_product_revenue') }}
),

counted as (
    select
        ranking_rule_id,
        year,
        count(*) as n_companies
    from companies
    group by ranking_rule_id, year
),

large as (
    select
        company.company_id,
        company.name_en,
        max(sales.value) as net_sales_eur,
        {{ distinct_list('sales.source_code') }} as source_codes,
        {{ distinct_list('sales.edition_id') }} as edition_ids
    from {{ source('vocabulary', 'ranking_company') }} as company
    left join {{ ref('stg_sales_observation') }} as sales
        on sales.source_code = 'jrc_scoreboard'
        and sales.seller_name = company.jrc_name
        and sales.row_kind = 'total'
        and cast(extract(year from sales.period_start) as int) = 2022
    where company.is_large
    group by company.company_id, company.name_en
),

covered as (
    select
        rankings.ranking_id,
        count(*) as n_large_companies,
        count(companies.company_id) as n_large_companies_covered,
        sum(case when companies.company_id is not null then large.net_sales_eur end) / nullif(sum(large.net_sales_eur), 0)
            as sales_covered_share,
        {{ distinct_list('case when companies.company_id is null then large.name_en end') }} as missing_companies,
        {{ merge_lists([distinct_list('large.source_codes')]) }} as large_source_codes,
        {{ merge_lists([distinct_list('large.edition_ids')]) }} as large_edition_ids
    from rankings
    cross join large
    left join companies
        on companies.ranking_rule_id = rankings.ranking_rule_id
        and companies.year = rankings.year
        and companies.company_id = large.company_id
    where not rankings.lists_world
    group by rankings.ranking_id
)

select
    rankings.ranking_id,
    rankings.ranking_rule_id,
    rankings.year,
    rankings.lists_world,
    rankings.n_products,
    counted.n_companies,
    covered.n_large_companies,
    covered.n_large_companies_covered,
    coalesce(covered.sales_covered_share, case when covered.n_large_companies is not null then 0.0 end)
        as sales_covered_share,
    rankings.lists_world or coalesce(covered.sales_covered_share, 0) >= 0.95 as is_world_covered,
    case
        when rankings.lists_world then 'The compiler looked at the companies of the world; the list is cut as published.'
        else 'Large companies with products in it: ' || cast(covered.n_large_companies_covered as string) || ' of '
            || cast(covered.n_large_companies as string) || '; missing: '
            || replace(coalesce(covered.missing_companies, 'none'), ',', ', ') || '.'
    end as coverage_note,
    rankings.status,
    {{ merge_lists(['rankings.source_codes', 'covered.large_source_codes']) }} as source_codes,
    {{ merge_lists(['rankings.edition_ids', 'covered.large_edition_ids']) }} as edition_ids
from rankings
inner join counted
    on counted.ranking_rule_id = rankings.ranking_rule_id
    and counted.year = rankings.year
left join covered
    on covered.ranking_id = rankings.ranking_id
