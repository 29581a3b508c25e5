-- Growth paths that documents assert: a market size and a rate of growth of the same claimant and document.
-- A document without a base year gives one scenario for each year that it may have meant (var unstated_base_years).
with sizes as (
    select
        claim_id,
        claimant,
        document_title,
        reference_period,
        statement_en,
        value_stated as base_jpy,
        published_on,
        document_url,
        cast({{ regexp_part('reference_period', '((?:19|20)[0-9][0-9])') }} as int) as stated_year,
        reference_period like '%FY%' as is_fiscal_year,
        is_seed_claim,
        source_code,
        edition_id
    from {{ ref('stg_claim') }}
    where
        topic = 'cdmo_market'
        and metric = 'market_size'
        and unit = 'currency'
        and currency = 'JPY'
        and claim_kind in ('policy_statement', 'press_restatement', 'company_statement')
        and value_stated > 0
),

rates as (
    select
        claim_id,
        claimant,
        document_title,
        value_stated as growth_share_per_year,
        -- The horizon as stated: a last year (until around FY2023) or a number of years (next 10 years).
        cast({{ regexp_part('reference_period', '.*((?:19|20)[0-9][0-9])') }} as int) as stated_last_year,
        cast({{ regexp_part('reference_period', '([0-9]+) years') }} as int) as stated_years
    from {{ ref('stg_claim') }}
    where topic = 'cdmo_market' and metric = 'growth_per_year' and unit = 'share_per_year' and value_stated is not null
),

base_years as (
    {% for year in var('unstated_base_years') -%}
    select {{ year }} as base_year
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

paired as (
    select
        sizes.*,
        rates.growth_share_per_year,
        rates.stated_last_year,
        rates.stated_years,
        rates.claim_id as growth_claim_id
    from sizes
    inner join rates
        on rates.claimant = sizes.claimant
        and rates.document_title = sizes.document_title
)

select
    paired.*,
    paired.stated_year as base_year,
    false as is_base_year_assumed
from paired
where paired.stated_year is not null
union all
select
    paired.*,
    base_years.base_year,
    true as is_base_year_assumed
from paired
cross join base_years
where paired.stated_year is null
