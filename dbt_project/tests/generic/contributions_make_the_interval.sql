{# Contributions of a market, year, scope and rule set add up to the width of its interval by value, and the last
   cumulative contribution is their sum. #}
{% test contributions_make_the_interval(model, interval, tolerance=1e-9) %}
with summed as (
    select
        market_iso3, fiscal_year, scope_id, price_basis, ruleset_id,
        sum(contribution_share) as contribution_share,
        max(cumulative_contribution_share) as cumulative_share
    from {{ model }}
    group by market_iso3, fiscal_year, scope_id, price_basis, ruleset_id
),

widths as (
    select market_iso3, year, scope_id, price_basis, ruleset_id, share_overseas_high - share_overseas_low as width
    from {{ interval }}
    where basis = 'warehouse_site_evidence' and measure = 'value' and modality = 'all'
)

select
    coalesce(summed.market_iso3, widths.market_iso3) as market_iso3,
    coalesce(summed.fiscal_year, widths.year) as fiscal_year,
    coalesce(summed.scope_id, widths.scope_id) as scope_id,
    coalesce(summed.ruleset_id, widths.ruleset_id) as ruleset_id,
    summed.contribution_share,
    summed.cumulative_share,
    widths.width
from summed
full join widths
    on widths.market_iso3 = summed.market_iso3
    and widths.year = summed.fiscal_year
    and widths.scope_id = summed.scope_id
    and widths.price_basis = summed.price_basis
    and widths.ruleset_id = summed.ruleset_id
where
    summed.contribution_share is null
    or widths.width is null
    or abs(summed.contribution_share - widths.width) > {{ tolerance }}
    or abs(summed.cumulative_share - summed.contribution_share) > {{ tolerance }}
{% endtest %}
