with supply as (
    select
        production.basket_id,
        production.country_iso3,
        production.year,
        production.period_basis,
        case when production.has_trade_in_survey then 'one_survey' else 'production_and_trade' end as supply_basis,
        case when production.has_trade_in_survey then production.unit else 'USD' end as currency,
        fx.lcu_per_usd,
        case
            when production.has_trade_in_survey then production.production_value
            else production.production_value / nullif(fx.lcu_per_usd, 0)
        end as production_value,
        case when production.has_trade_in_survey then production.import_value else trade.import_usd end as import_value,
        case when production.has_trade_in_survey then production.export_value else trade.export_usd end as export_value,
        production.has_trade_in_survey or trade.country_iso3 is not null as has_trade,
        production.n_categories,
        production.n_categories_present,
        production.series_break,
        production.is_back_solved,
        coalesce(trade.is_definition_break, false) as is_definition_break,
        coalesce(trade.is_revision_assumed, false) as is_revision_assumed,
        {{ worse_status(['production.data_status', 'trade.data_status', 'fx.status', "'derived'"]) }} as data_status,
        {{ merge_lists(['production.source_code', 'trade.source_codes', 'fx.source_code']) }} as source_codes,
        {{ merge_lists(['production.edition_ids', 'trade.edition_ids', 'fx.edition_id']) }} as edition_ids
    from {{ ref('int_supply_production') }} as production
    left join {{ ref('int_fx') }} as fx
        on fx.currency = production.unit
        and fx.period_basis = 'calendar_year'
        and production.period_basis = 'calendar_year'
        and cast(extract(year from fx.period_start) as int) = production.year
    left join {{ ref('int_trade_basket') }} as trade
        on trade.basket_id = production.basket_id
        and trade.country_iso3 = production.country_iso3
        and trade.year = production.year
        and production.period_basis = 'calendar_year'
        and not production.has_trade_in_survey
),

balanced as (
    select
        *,
        n_categories_present < n_categories as is_production_partial,
        case
            when n_categories_present = n_categories then production_value + import_value - export_value
        end as consumption_value
    from supply
),

judged as (
    select
        *,
        case
            when not is_production_partial then consumption_value <= 0 or export_value > production_value
        end as is_hub,
        case
            when production_value is null then 'production_unknown'
            when is_production_partial then 'production_cells_missing'
            when not has_trade then 'trade_not_loaded'
            when import_value is null then 'imports_unknown'
            when export_value is null then 'exports_unknown'
            when is_back_solved then 'production_back_solved'
            when consumption_value <= 0 then 'ac_nonpositive'
            when export_value > production_value then 'exports_exceed_production'
        end as reason_code
    from balanced
)

select
    cast(judged.year as int) as year,
    cast(judged.country_iso3 as string) as country_iso3,
    cast(country.name_en as string) as country_name,
    country.is_focus as is_focus_country,
    cast(judged.basket_id as string) as basket_id,
    cast(basket.title as string) as basket_title,
    cast(judged.supply_basis as string) as supply_basis,
    cast(judged.period_basis as string) as period_basis,
    cast(case
        when not judged.is_production_partial then judged.import_value / nullif(judged.production_value + judged.import_value, 0)
    end as double) as import_share_of_supply,
    judged.is_hub,
    judged.is_back_solved,
    cast(case when judged.reason_code is null then judged.import_value / judged.consumption_value end as double)
        as import_penetration_share,
    cast(case when judged.reason_code is null then judged.production_value / judged.consumption_value end as double)
        as self_sufficiency_ratio,
    cast(case when judged.reason_code is null then judged.export_value / judged.consumption_value end as double)
        as export_consumption_ratio,
    cast(judged.export_value / nullif(judged.production_value, 0) as double) as export_production_ratio,
    cast(judged.reason_code as string) as reason_code,
    cast(judged.currency as string) as currency,
    cast(judged.production_value as double) as production_value,
    cast(judged.import_value as double) as import_value,
    cast(judged.export_value as double) as export_value,
    cast(judged.consumption_value as double) as apparent_consumption_value,
    judged.is_production_partial,
    cast(judged.n_categories as int) as n_categories,
    cast(judged.n_categories_present as int) as n_categories_present,
    cast(judged.n_categories_present / cast(judged.n_categories as double) as double) as coverage_share,
    {%- for name in ('production', 'import', 'export', 'consumption') %}
    cast(case
        when judged.currency = 'USD' then judged.{{ name }}_value
        else judged.{{ name }}_value / nullif(judged.lcu_per_usd, 0)
    end as double) as {{ 'apparent_consumption' if name == 'consumption' else name }}_usd,
    {%- endfor %}
    cast(judged.lcu_per_usd as double) as fx_lcu_per_usd,
    judged.series_break,
    judged.is_definition_break,
    cast(judged.data_status as string) as data_status,
    cast(max(judged.year) over (
        partition by judged.country_iso3, judged.basket_id, judged.supply_basis
    ) as int) as last_data_year,
    cast(case judged.supply_basis
        when 'one_survey' then 'apparent_consumption,fx_period_average,supply_one_survey'
        else
            'apparent_consumption,fx_period_average,one_trade_publisher,supply_production_and_trade,trade_gross_flows'
            || case when judged.is_revision_assumed then ',unnamed_hs_revision' else '' end
            || ',whole_trade_report,zero_if_filed'
    end as string) as definition_ids,
    cast(judged.source_codes as string) as source_codes,
    cast(judged.edition_ids as string) as edition_ids
from judged
inner join {{ source('vocabulary', 'commodity_basket') }} as basket
    on basket.basket_id = judged.basket_id
inner join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = judged.country_iso3
order by
    judged.supply_basis nulls last,
    judged.basket_id nulls last,
    country.is_focus desc nulls last,
    judged.country_iso3 nulls last,
    judged.year nulls last
