-- Launch lags by market, years of first approval, rule set and modality, with those that have not come (definition
-- launch_lag_survival). An arrival that is known as an interval enters twice: at its early and at its late end.
{%- set cohorts = var('launch_cohorts') %}
with cohorts as (
    {% for first, last in cohorts -%}
    select {{ first }} as cohort_first_year, {{ last }} as cohort_last_year
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

lags as (
    select
        lag.*,
        lag.lag_low_days as days_low,
        case when lag.is_available then lag.lag_high_days else lag.lag_low_days end as days_high
    from {{ ref('mart_launch_lag') }} as lag
    where
        lag.first_anywhere_on is not null
        and coalesce(lag.reason_code, 'on_first_list_at_hand') = 'on_first_list_at_hand'
),

classed as (
    select
        lags.*,
        cohorts.cohort_first_year,
        cohorts.cohort_last_year,
        rulesets.ruleset_id,
        rulesets.is_headline
    from lags
    inner join cohorts
        on lags.first_foreign_year between cohorts.cohort_first_year and cohorts.cohort_last_year
    cross join {{ source('vocabulary', 'modality_ruleset') }} as rulesets
    inner join {{ source('vocabulary', 'modality_rule') }} as rule
        on rule.ruleset_id = rulesets.ruleset_id
        and rule.modality = lags.modality
        and rule.is_biologic
),

levels as (
    select classed.*, classed.modality as modality_shown from classed
    union all
    select classed.*, 'all' as modality_shown from classed
),

-- At every day after the first approval on which something arrives: how many were still waiting, how many came.
ends as (
    select 'low' as bound, levels.*, days_low as days from levels
    union all
    select 'high' as bound, levels.*, days_high as days from levels
),

events as (
    select
        bound,
        market_iso3,
        cohort_first_year,
        cohort_last_year,
        ruleset_id,
        modality_shown,
        days,
        count(case when is_available then 1 end) as n_arrived,
        count(*) as n_ended,
        sum(count(*)) over (
            partition by bound, market_iso3, cohort_first_year, cohort_last_year, ruleset_id, modality_shown
            order by days desc rows between unbounded preceding and current row
        ) as n_at_risk
    from ends
    group by bound, market_iso3, cohort_first_year, cohort_last_year, ruleset_id, modality_shown, days
),

survival as (
    select
        *,
        -- Share that has not come by then: the product of the parts that stayed. All of those at risk coming at once
        -- leaves none, whose logarithm does not exist.
        case
            when min(n_at_risk - n_arrived) over upto = 0 then 0.0
            else exp(sum(ln(nullif(n_at_risk - n_arrived, 0) * 1.0 / n_at_risk)) over upto)
        end as waiting_share
    from events
    window upto as (
        partition by bound, market_iso3, cohort_first_year, cohort_last_year, ruleset_id, modality_shown
        order by days rows between unbounded preceding and current row
    )
),

curves as (
    select
        bound,
        market_iso3,
        cohort_first_year,
        cohort_last_year,
        ruleset_id,
        modality_shown,
        -- The product is made of logarithms: a half may come out a rounding above a half.
        min(case when waiting_share <= 0.5 + 1e-12 then days end) as median_days,
        1 - min(case when days <= 365.25 then waiting_share else 1.0 end) as share_within_1_year,
        1 - min(case when days <= 5 * 365.25 then waiting_share else 1.0 end) as share_within_5_years
    from survival
    group by bound, market_iso3, cohort_first_year, cohort_last_year, ruleset_id, modality_shown
),

counted as (
    select
        market_iso3,
        cohort_first_year,
        cohort_last_year,
        ruleset_id,
        is_headline,
        modality_shown,
        count(*) as n_substances,
        count(case when is_available then 1 end) as n_available,
        count(case when is_right_censored then 1 end) as n_censored,
        count(case when is_lost then 1 end) as n_lost,
        count(case when is_japanese_origin then 1 end) as n_japanese_origin,
        max(observed_to) as observed_to,
        min({{ days_between('first_foreign_on', 'observed_to') }}) as shortest_follow_up_days,
        max(case when modality_basis = 'name_stem' then 1 else 0 end) as has_names,
        {{ worst_status('data_status') }} as data_status,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
    from levels
    group by market_iso3, cohort_first_year, cohort_last_year, ruleset_id, is_headline, modality_shown
)

select
    cast(counted.market_iso3 as string) as market_iso3,
    cast(counted.cohort_first_year as int) as cohort_first_year,
    cast(counted.cohort_last_year as int) as cohort_last_year,
    cast(counted.ruleset_id as string) as ruleset_id,
    counted.is_headline as is_headline_ruleset,
    cast(counted.modality_shown as string) as modality,
    cast(counted.n_substances as int) as n_substances,
    cast(counted.n_available as int) as n_available,
    cast(counted.n_censored as int) as n_censored,
    cast(counted.n_lost as int) as n_lost,
    cast(counted.n_lost * 1.0 / nullif(counted.n_substances, 0) as double) as share_lost,
    cast(counted.n_japanese_origin as int) as n_japanese_origin,
    cast(least(low.median_days, coalesce(high.median_days, low.median_days)) as int) as lag_median_low_days,
    cast(case when high.median_days >= coalesce(low.median_days, high.median_days) then high.median_days end as int)
        as lag_median_high_days,
    -- Of intervals the two ends bound the share only where every substance was followed for as long.
    cast(case
        when counted.shortest_follow_up_days >= 365.25 or counted.market_iso3 <> 'JPN' then high.share_within_1_year
    end as double) as share_within_1_year_low,
    cast(case
        when counted.shortest_follow_up_days >= 365.25 or counted.market_iso3 <> 'JPN' then low.share_within_1_year
    end as double) as share_within_1_year_high,
    -- Of intervals the two ends bound the share only where every substance was followed for as long.
    cast(case
        when counted.shortest_follow_up_days >= 5 * 365.25 or counted.market_iso3 <> 'JPN' then high.share_within_5_years
    end as double) as share_within_5_years_low,
    cast(case
        when counted.shortest_follow_up_days >= 5 * 365.25 or counted.market_iso3 <> 'JPN' then low.share_within_5_years
    end as double) as share_within_5_years_high,
    cast(counted.shortest_follow_up_days as int) as shortest_follow_up_days,
    counted.observed_to as as_of_date,
    cast(case
        when counted.n_substances < 5 then 'few_substances'
        when counted.shortest_follow_up_days < 5 * 365.25 and counted.market_iso3 = 'JPN' then 'follow_up_too_short'
        when high.median_days is null then 'half_not_reached'
    end as string) as reason_code,
    cast(counted.data_status as string) as data_status,
    cast(extract(year from counted.observed_to) as int) as last_data_year,
    cast({{ merge_lists(["'approval_of_new_substance'", "'launch_lag'", "'launch_lag_survival'", "'drug_loss'",
        "case when counted.has_names = 1 then 'modality_by_name' end",
        "case when counted.market_iso3 = 'JPN' then 'japan_price_list_as_availability' end"]) }} as string) as definition_ids,
    cast(counted.source_codes as string) as source_codes,
    cast(counted.edition_ids as string) as edition_ids
from counted
inner join curves as low
    on low.bound = 'low'
    and low.market_iso3 = counted.market_iso3
    and low.cohort_first_year = counted.cohort_first_year
    and low.cohort_last_year = counted.cohort_last_year
    and low.ruleset_id = counted.ruleset_id
    and low.modality_shown = counted.modality_shown
inner join curves as high
    on high.bound = 'high'
    and high.market_iso3 = counted.market_iso3
    and high.cohort_first_year = counted.cohort_first_year
    and high.cohort_last_year = counted.cohort_last_year
    and high.ruleset_id = counted.ruleset_id
    and high.modality_shown = counted.modality_shown
order by
    case counted.market_iso3 when 'JPN' then 1 when 'EUU' then 2 else 3 end nulls last,
    counted.is_headline desc nulls last,
    counted.ruleset_id nulls last,
    case counted.modality_shown when 'all' then 1 else 2 end nulls last,
    counted.modality_shown nulls last,
    counted.cohort_first_year nulls last,
    counted.cohort_last_year nulls last
