{# A change of exports is the sum of its three terms; over all exporters of a window, markets' growth is the whole change
   and the other two terms add up to nothing. #}
{% test cms_identity(model, partition_by, tolerance=1e-9) %}
with sums as (
    select
        {{ partition_by | join(', ') }},
        sum(export_first_usd) + sum(export_last_usd) as size,
        sum(market_structure_usd) as structure,
        sum(market_share_effect_usd) as share_effect
    from {{ model }}
    group by {{ partition_by | join(', ') }}
),

rows_of_table as (
    select 'row' as level
    from {{ model }}
    where
        abs(market_growth_usd + market_structure_usd + market_share_effect_usd - export_change_usd)
        > {{ tolerance }} * (
            export_first_usd + export_last_usd
            + abs(market_growth_usd) + abs(market_structure_usd) + abs(market_share_effect_usd)
        )
        or abs(export_last_usd - export_first_usd - export_change_usd)
        > {{ tolerance }} * (export_first_usd + export_last_usd)
        or export_change_usd is null
        or market_growth_usd is null
        or market_structure_usd is null
        or market_share_effect_usd is null
)

select level from rows_of_table
union all
select 'window' as level
from sums
where abs(structure) > {{ tolerance }} * size or abs(share_effect) > {{ tolerance }} * size
{% endtest %}
