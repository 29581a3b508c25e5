-- From importers' usable reports; importers with imports in both years only, a missing pair being zero.
with imports as (
    select
        basket_id,
        year,
        reporter_iso3 as importer_iso3,
        partner_iso3 as exporter_iso3,
        sum(value_usd) as value_usd,
        {{ worst_status('data_status') }} as data_status
    from {{ ref('int_trade_flow') }}
    where flow = 'import' and is_usable
    group by basket_id, year, reporter_iso3, partner_iso3
),

markets as (
    select
        windows.basket_id,
        windows.window_id,
        windows.first_year,
        windows.last_year,
        imports.importer_iso3,
        sum(case when imports.year = windows.first_year then imports.value_usd end) as market_first_usd,
        sum(case when imports.year = windows.last_year then imports.value_usd end) as market_last_usd
    from {{ ref('int_trade_window') }} as windows
    inner join imports
        on imports.basket_id = windows.basket_id
        and (imports.year = windows.first_year or imports.year = windows.last_year)
    group by windows.basket_id, windows.window_id, windows.first_year, windows.last_year, imports.importer_iso3
    having
        sum(case when imports.year = windows.first_year then imports.value_usd end) > 0
        and sum(case when imports.year = windows.last_year then imports.value_usd end) > 0
),

growth as (
    select
        *,
        market_last_usd / market_first_usd - 1 as market_growth,
        sum(market_last_usd) over (partition by basket_id, window_id)
        / sum(market_first_usd) over (partition by basket_id, window_id) - 1 as all_markets_growth,
        count(*) over (partition by basket_id, window_id) as n_importers
    from markets
),

pairs as (
    select
        growth.basket_id,
        growth.window_id,
        growth.first_year,
        growth.last_year,
        growth.importer_iso3,
        growth.market_growth,
        growth.all_markets_growth,
        growth.n_importers,
        imports.exporter_iso3,
        coalesce(sum(case when imports.year = growth.first_year then imports.value_usd end), 0) as first_usd,
        coalesce(sum(case when imports.year = growth.last_year then imports.value_usd end), 0) as last_usd,
        {{ worst_status('imports.data_status') }} as data_status
    from growth
    inner join imports
        on imports.basket_id = growth.basket_id
        and imports.importer_iso3 = growth.importer_iso3
        and (imports.year = growth.first_year or imports.year = growth.last_year)
    group by
        growth.basket_id, growth.window_id, growth.first_year, growth.last_year, growth.importer_iso3,
        growth.market_growth, growth.all_markets_growth, growth.n_importers, imports.exporter_iso3
),

decomposed as (
    select
        basket_id,
        window_id,
        first_year,
        last_year,
        exporter_iso3,
        n_importers,
        all_markets_growth,
        sum(first_usd) as export_first_usd,
        sum(last_usd) as export_last_usd,
        sum(all_markets_growth * first_usd) as market_growth_usd,
        sum((market_growth - all_markets_growth) * first_usd) as market_structure_usd,
        sum(last_usd - first_usd - market_growth * first_usd) as market_share_effect_usd,
        sum(case when first_usd + last_usd > 0 then 1 else 0 end) as n_markets,
        {{ worst_status('data_status') }} as data_status
    from pairs
    group by basket_id, window_id, first_year, last_year, exporter_iso3, n_importers, all_markets_growth
    having sum(first_usd) + sum(last_usd) > 0
),

-- The reports of a year that a window rests on, those of importers that bought nothing from an exporter included: they
-- make the growth of the world. Each names its sources and editions once, however many exporters it has.
editions as (
    select
        growth.basket_id,
        growth.window_id,
        {{ merge_lists([distinct_list('choice.source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('choice.edition_ids')]) }} as edition_ids,
        max(case when choice.is_revision_assumed then 1 else 0 end) as is_revision_assumed
    from growth
    inner join {{ ref('int_trade_choice') }} as choice
        on choice.basket_id = growth.basket_id
        and choice.reporter_iso3 = growth.importer_iso3
        and (choice.year = growth.first_year or choice.year = growth.last_year)
        and choice.choice = 1
        and choice.flow = 'import'
    group by growth.basket_id, growth.window_id
)

select
    cast(decomposed.basket_id as string) as basket_id,
    cast(basket.title as string) as basket_title,
    cast(decomposed.window_id as string) as window_id,
    cast(decomposed.first_year as int) as first_year,
    cast(decomposed.last_year as int) as last_year,
    cast(decomposed.exporter_iso3 as string) as exporter_iso3,
    cast(country.name_en as string) as exporter_name,
    not country.is_aggregate as is_country,
    cast(decomposed.export_first_usd as double) as export_first_usd,
    cast(decomposed.export_last_usd as double) as export_last_usd,
    cast(decomposed.export_last_usd - decomposed.export_first_usd as double) as export_change_usd,
    cast(decomposed.market_growth_usd as double) as market_growth_usd,
    cast(decomposed.market_structure_usd as double) as market_structure_usd,
    cast(decomposed.market_share_effect_usd as double) as market_share_effect_usd,
    cast(decomposed.all_markets_growth as double) as all_markets_growth_share,
    cast(decomposed.n_importers as int) as n_importers,
    cast(decomposed.n_markets as int) as n_markets,
    cast(case
        when decomposed.n_importers = 1 then 'single_market'
        when decomposed.n_importers < {{ var('world_table_reporters') }} then 'few_markets'
    end as string) as reason_code,
    cast(decomposed.data_status as string) as data_status,
    cast(decomposed.last_year as int) as last_data_year,
    cast(
        'cms_decomposition,one_trade_publisher,trade_gross_flows'
        || case when editions.is_revision_assumed = 1 then ',unnamed_hs_revision' else '' end
        || ',whole_trade_report' as string
    ) as definition_ids,
    cast(editions.source_codes as string) as source_codes,
    cast(editions.edition_ids as string) as edition_ids
from decomposed
inner join editions
    on editions.basket_id = decomposed.basket_id
    and editions.window_id = decomposed.window_id
inner join {{ source('vocabulary', 'commodity_basket') }} as basket
    on basket.basket_id = decomposed.basket_id
inner join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = decomposed.exporter_iso3
order by
    decomposed.basket_id nulls last,
    decomposed.first_year nulls last,
    decomposed.last_year nulls last,
    decomposed.window_id nulls last,
    decomposed.export_last_usd desc nulls last,
    decomposed.exporter_iso3 nulls last
