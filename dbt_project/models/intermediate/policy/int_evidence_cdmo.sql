-- What companies reported against what the statements on contract manufacturing assert.
-- cdmo_size: revenue of the listed companies of the year with most of them, taken back to the base year at the
-- statement's own rate: what the size would have to have been for the size and the rate to hold together. Once at the
-- exchange rates of that year, and once at those of the base year, so that the fall of the yen is not taken for growth;
-- another company's earlier estimate carried forward at its own rate is context. cdmo_growth: the same companies' growth, as context. cdmo_leaders: whether the
-- named firms are among the three largest printed shares, and whether Fujifilm bought contract manufacturers.
with best_year as (
    select
        scenario_id,
        base_year,
        base_jpy,
        growth_share_per_year,
        size_claim_id,
        growth_claim_id,
        year,
        years_from_base,
        reported_listed_revenue_jpy,
        n_companies,
        companies,
        source_codes,
        edition_ids,
        row_number() over (partition by scenario_id order by n_companies desc, year desc) as choice
    from {{ ref('mart_cdmo_market_projection') }}
    where reported_listed_revenue_jpy > 0
),

-- The same revenue at the exchange rates of the base year.
at_base_rates as (
    select
        best_year.scenario_id,
        sum(facts.revenue_usd) * max(yen.lcu_per_usd) as revenue_jpy,
        max(yen.source_code) as fx_source_code,
        max(yen.edition_id) as fx_edition_id
    from best_year
    inner join {{ ref('int_company_fact') }} as facts
        on facts.year = best_year.year
        and facts.is_in_listed_set
    inner join {{ ref('int_fx') }} as yen
        on yen.currency = 'JPY'
        and yen.period_basis = 'calendar_year'
        and extract(year from yen.period_start) = best_year.base_year
    where best_year.choice = 1
    group by best_year.scenario_id
),

other_paths as (
    select
        scenario_id,
        claimant,
        year,
        market_jpy,
        size_claim_id,
        source_codes,
        edition_ids
    from {{ ref('mart_cdmo_market_projection') }}
),

revenue as (
    select
        *,
        row_number() over (partition by company_id, perimeter order by year desc) as recency,
        row_number() over (partition by company_id, perimeter order by year) as age
    from {{ ref('int_company_fact') }}
    where is_in_listed_set
),

company_growth as (
    select
        newest.company_name,
        oldest.year as first_year,
        newest.year as last_year,
        power(newest.value / nullif(oldest.value, 0), 1.0 / (newest.year - oldest.year)) - 1 as growth_per_year,
        {{ merge_lists(['newest.source_code', 'oldest.source_code']) }} as source_codes,
        {{ merge_lists(['newest.edition_id', 'oldest.edition_id']) }} as edition_ids
    from revenue as newest
    inner join revenue as oldest
        on oldest.company_id = newest.company_id
        and oldest.perimeter = newest.perimeter
        and oldest.age = 1
        and oldest.year < newest.year
    where newest.recency = 1
),

printed as (
    select
        company_id,
        company_name,
        value as share,
        period_label,
        document_url,
        source_code,
        edition_id,
        rank() over (partition by period_label, document_url order by value desc nulls last) as position
    from {{ ref('stg_company_fact') }}
    where metric = 'market_share' and unit = 'share'
),

purchases as (
    select
        count(*) as n_deals,
        min(target_name) as first_target,
        max(source_code) as source_code,
        max(edition_id) as edition_id
    from {{ ref('stg_deal') }}
    where acquirer_name = 'Fujifilm' and is_cdmo and extract(year from deal_on) < 2021
)

select
    claims.claim_id,
    'listed_cdmo_perimeters' as definition_id,
    best_year.scenario_id as label,
    cast(best_year.year as string) as period_label,
    best_year.reported_listed_revenue_jpy as figure,
    'currency' as figure_unit,
    best_year.reported_listed_revenue_jpy / power(1 + best_year.growth_share_per_year, best_year.years_from_base)
        as value_low,
    best_year.reported_listed_revenue_jpy / power(1 + best_year.growth_share_per_year, best_year.years_from_base)
        as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'company_report' as evidence_grade,
    false as is_context,
    false as is_after,
    'derived' as data_status,
    best_year.source_codes,
    best_year.edition_ids,
    best_year.n_companies as n_items,
    best_year.companies as named
from {{ ref('int_seed_claim') }} as claims
inner join best_year
    on best_year.size_claim_id = claims.claim_id
    and best_year.choice = 1
where claims.test_kind = 'cdmo_size'
union all
select
    claims.claim_id,
    'fx_period_average' as definition_id,
    best_year.scenario_id || ', at the exchange rates of the base year' as label,
    cast(best_year.year as string) as period_label,
    at_base_rates.revenue_jpy as figure,
    'currency' as figure_unit,
    at_base_rates.revenue_jpy / power(1 + best_year.growth_share_per_year, best_year.years_from_base) as value_low,
    at_base_rates.revenue_jpy / power(1 + best_year.growth_share_per_year, best_year.years_from_base) as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'company_report' as evidence_grade,
    false as is_context,
    false as is_after,
    'derived' as data_status,
    {{ merge_lists(['best_year.source_codes', 'at_base_rates.fx_source_code']) }} as source_codes,
    {{ merge_lists(['best_year.edition_ids', 'at_base_rates.fx_edition_id']) }} as edition_ids,
    best_year.n_companies as n_items,
    best_year.companies as named
from {{ ref('int_seed_claim') }} as claims
inner join best_year
    on best_year.size_claim_id = claims.claim_id
    and best_year.choice = 1
inner join at_base_rates
    on at_base_rates.scenario_id = best_year.scenario_id
where claims.test_kind = 'cdmo_size'
union all
select
    claims.claim_id,
    'arithmetic_of_claim' as definition_id,
    other_paths.claimant || ', carried to the base year at its own rate' as label,
    cast(best_year.base_year as string) as period_label,
    other_paths.market_jpy as figure,
    'currency' as figure_unit,
    other_paths.market_jpy as value_low,
    other_paths.market_jpy as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'claim' as evidence_grade,
    true as is_context,
    false as is_after,
    'forecast' as data_status,
    other_paths.source_codes,
    other_paths.edition_ids,
    cast(null as int) as n_items,
    cast(null as string) as named
from {{ ref('int_seed_claim') }} as claims
inner join best_year
    on best_year.size_claim_id = claims.claim_id
    and best_year.choice = 1
inner join other_paths
    on other_paths.size_claim_id <> claims.claim_id
    and other_paths.year = best_year.base_year
where claims.test_kind = 'cdmo_size'
union all
select
    claims.claim_id,
    'listed_cdmo_perimeters' as definition_id,
    company_growth.company_name as label,
    cast(company_growth.first_year as string) || '-' || cast(company_growth.last_year as string) as period_label,
    company_growth.growth_per_year as figure,
    'share_per_year' as figure_unit,
    company_growth.growth_per_year as value_low,
    company_growth.growth_per_year as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'company_report' as evidence_grade,
    true as is_context,
    false as is_after,
    'derived' as data_status,
    company_growth.source_codes,
    company_growth.edition_ids,
    cast(null as int) as n_items,
    cast(null as string) as named
from {{ ref('int_seed_claim') }} as claims
cross join company_growth
where claims.test_kind = 'cdmo_growth'
union all
select
    claims.claim_id,
    'third_party_shares' as definition_id,
    printed.company_name as label,
    printed.period_label,
    printed.share as figure,
    'share' as figure_unit,
    case when printed.position <= 3 then 1.0 else -1.0 end as value_low,
    case when printed.position <= 3 then 1.0 else -1.0 end as value_high,
    cast(null as double) as coverage_share,
    'other' as scope_match,
    'third_party_slide' as evidence_grade,
    printed.company_id not in ('lonza', 'samsung_biologics') as is_context,
    false as is_after,
    'estimated' as data_status,
    printed.source_code as source_codes,
    printed.edition_id as edition_ids,
    cast(printed.position as int) as n_items,
    cast(null as string) as named
from {{ ref('int_seed_claim') }} as claims
cross join printed
where claims.test_kind = 'cdmo_leaders'
union all
select
    claims.claim_id,
    'listed_cdmo_perimeters' as definition_id,
    'Fujifilm, contract manufacturers and sites bought before 2021' as label,
    'to 2020' as period_label,
    cast(purchases.n_deals as double) as figure,
    'count' as figure_unit,
    case when purchases.n_deals > 0 then 1.0 else -1.0 end as value_low,
    case when purchases.n_deals > 0 then 1.0 else -1.0 end as value_high,
    cast(null as double) as coverage_share,
    'same' as scope_match,
    'press' as evidence_grade,
    false as is_context,
    false as is_after,
    'derived' as data_status,
    purchases.source_code as source_codes,
    purchases.edition_id as edition_ids,
    cast(purchases.n_deals as int) as n_items,
    purchases.first_target as named
from {{ ref('int_seed_claim') }} as claims
cross join purchases
where claims.test_kind = 'cdmo_leaders' and purchases.source_code is not null
