-- Exports of all reporters with a usable report, by basket and year: how many they are and how concentrated, for those
-- of the year and for those present in every year that has a world table (constant set).
with exporters as (
    select basket_id, year, reporter_iso3, value_usd
    from {{ ref('int_trade_choice') }}
    where choice = 1 and is_usable and flow = 'export'
),

tables as (
    select
        basket_id,
        year,
        count(*) as n_reporters,
        count(*) >= {{ var('world_table_reporters') }} as is_world_table
    from exporters
    group by basket_id, year
),

years as (
    select basket_id, count(*) as n_years
    from tables
    where is_world_table
    group by basket_id
),

constant as (
    select
        exporters.basket_id,
        exporters.reporter_iso3
    from exporters
    inner join tables
        on tables.basket_id = exporters.basket_id
        and tables.year = exporters.year
        and tables.is_world_table
    inner join years
        on years.basket_id = exporters.basket_id
    group by exporters.basket_id, exporters.reporter_iso3, years.n_years
    having count(*) = years.n_years
),

shares as (
    select
        exporters.basket_id,
        exporters.year,
        exporters.reporter_iso3,
        exporters.value_usd,
        case when constant.reporter_iso3 is not null then exporters.value_usd end as constant_usd,
        exporters.value_usd / nullif(sum(exporters.value_usd) over (
            partition by exporters.basket_id, exporters.year
        ), 0) as share,
        row_number() over (
            partition by exporters.basket_id, exporters.year
            order by exporters.value_usd desc, exporters.reporter_iso3
        ) as position
    from exporters
    left join constant
        on constant.basket_id = exporters.basket_id
        and constant.reporter_iso3 = exporters.reporter_iso3
),

gathered as (
    select
        basket_id,
        year,
        count(*) as n_reporters,
        count(constant_usd) as n_reporters_constant,
        sum(value_usd) as export_usd,
        sum(share * share) as hhi,
        sum(constant_usd * constant_usd) / nullif(sum(constant_usd) * sum(constant_usd), 0) as hhi_constant,
        max(case when position = 1 then reporter_iso3 end) as top1_exporter,
        max(case when position = 1 then share end) as top1_share
    from shares
    group by basket_id, year
)

select
    gathered.basket_id,
    gathered.year,
    gathered.n_reporters,
    gathered.n_reporters_constant,
    gathered.export_usd,
    tables.is_world_table,
    case when tables.is_world_table then gathered.hhi end as hhi_world_export,
    case when tables.is_world_table then gathered.hhi_constant end as hhi_world_export_constant,
    case when tables.is_world_table then gathered.top1_exporter end as top1_exporter,
    case when tables.is_world_table then gathered.top1_share end as top1_exporter_share
from gathered
inner join tables
    on tables.basket_id = gathered.basket_id
    and tables.year = gathered.year
