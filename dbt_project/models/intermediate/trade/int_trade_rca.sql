-- Revealed comparative advantage of every reporter in every commodity, a missing pair being zero exports because each
-- reporter's report is whole. Scope `basket`: a commodity within its basket; scope `all_goods`: the basket as a whole
-- within all exports (publishers' totals over all commodities).
with in_basket as (
    select
        'basket' as scope,
        basket_id,
        year,
        country_iso3,
        commodity_revision,
        commodity_code,
        is_convertible,
        sum(case when flow = 'export' then value_usd end) as export_usd,
        sum(case when flow = 'import' then value_usd end) as import_usd
    from {{ ref('int_trade_commodity') }}
    where basket_id <> 'all_commodities'
    group by basket_id, year, country_iso3, commodity_revision, commodity_code, is_convertible
),

commodities as (
    select
        scope,
        basket_id,
        year,
        commodity_revision,
        commodity_code,
        -- Where one reporter's code cannot be converted, the commodity is not the same for all.
        min(case when is_convertible then 1 else 0 end) = 1 as is_convertible
    from in_basket
    group by scope, basket_id, year, commodity_revision, commodity_code
),

exporters as (
    select basket_id, year, reporter_iso3 as country_iso3, value_usd as country_export_usd
    from {{ ref('int_trade_choice') }}
    where choice = 1 and is_usable and flow = 'export'
),

balanced as (
    select
        commodities.scope,
        commodities.basket_id,
        commodities.year,
        exporters.country_iso3,
        commodities.commodity_revision,
        commodities.commodity_code,
        commodities.is_convertible,
        coalesce(in_basket.export_usd, 0) as export_usd,
        in_basket.import_usd,
        exporters.country_export_usd
    from commodities
    inner join exporters
        on exporters.basket_id = commodities.basket_id
        and exporters.year = commodities.year
    left join in_basket
        on in_basket.basket_id = commodities.basket_id
        and in_basket.year = commodities.year
        and in_basket.country_iso3 = exporters.country_iso3
        and in_basket.commodity_revision = commodities.commodity_revision
        and in_basket.commodity_code = commodities.commodity_code

    union all

    select
        'all_goods' as scope,
        part.basket_id,
        part.year,
        part.country_iso3,
        cast('all' as string) as commodity_revision,
        cast('all' as string) as commodity_code,
        true as is_convertible,
        part.country_export_usd as export_usd,
        cast(null as double) as import_usd,
        whole.country_export_usd
    from exporters as part
    inner join exporters as whole
        on whole.basket_id = 'all_commodities'
        and whole.year = part.year
        and whole.country_iso3 = part.country_iso3
    where part.basket_id <> 'all_commodities'
),

margins as (
    select
        *,
        sum(export_usd) over (
            partition by scope, basket_id, year, commodity_revision, commodity_code
        ) as commodity_export_usd,
        sum(case when scope = 'basket' then export_usd else country_export_usd end) over (
            partition by scope, basket_id, year
        ) as world_export_usd,
        count(*) over (
            partition by scope, basket_id, year, commodity_revision, commodity_code
        ) as n_reporters,
        count(*) over (partition by scope, basket_id, year, country_iso3) as n_commodities
    from balanced
),

judged as (
    select
        *,
        case
            when n_reporters < {{ var('world_table_reporters') }} then 'no_world_table'
            when scope = 'basket' and n_commodities = 1 then 'single_commodity'
            when not is_convertible then 'code_not_convertible'
            when commodity_export_usd = 0 then 'no_world_trade'
            when country_export_usd = 0 then 'no_exports'
        end as reason_code
    from margins
)

select
    scope,
    basket_id,
    year,
    country_iso3,
    commodity_revision,
    commodity_code,
    export_usd,
    import_usd,
    country_export_usd,
    commodity_export_usd,
    world_export_usd,
    n_reporters,
    n_commodities,
    case
        when reason_code is null
            then (export_usd / country_export_usd) / (commodity_export_usd / world_export_usd)
    end as rca,
    case
        when reason_code is null
            then
                (export_usd * world_export_usd - country_export_usd * commodity_export_usd)
                / (export_usd * world_export_usd + country_export_usd * commodity_export_usd)
    end as rsca,
    case
        when reason_code is null then export_usd / country_export_usd - commodity_export_usd / world_export_usd
    end as arca,
    case
        when reason_code is null or reason_code = 'no_exports'
            then
                (export_usd * world_export_usd - country_export_usd * commodity_export_usd)
                / (world_export_usd * world_export_usd)
    end as nrca,
    case
        when n_reporters >= {{ var('world_table_reporters') }} then export_usd / nullif(commodity_export_usd, 0)
    end as world_share,
    reason_code
from judged
