{% set threshold = var('dependency_concentration') %}
with suppliers as (
    select
        basket_id,
        year,
        reporter_iso3 as country_iso3,
        partner_iso3,
        sum(value_usd) as value_usd
    from {{ ref('int_trade_flow') }}
    where flow = 'import' and is_usable
    group by basket_id, year, reporter_iso3, partner_iso3
),

shares as (
    select
        *,
        value_usd / sum(value_usd) over (partition by basket_id, year, country_iso3) as share,
        row_number() over (
            partition by basket_id, year, country_iso3 order by value_usd desc, partner_iso3
        ) as position
    from suppliers
    where value_usd > 0
),

concentration as (
    select
        basket_id,
        year,
        country_iso3,
        count(*) as n_suppliers,
        sum(share * share) as hhi,
        exp(-sum(share * ln(share))) as n_effective_entropy,
        max(case when position = 1 then partner_iso3 end) as top1_supplier_iso3,
        max(case when position = 1 then share end) as top1_share,
        sum(case when position <= 3 then share end) as top3_share
    from shares
    group by basket_id, year, country_iso3
),

measured as (
    select
        flow.basket_id,
        flow.year,
        flow.country_iso3,
        flow.import_usd,
        flow.export_usd,
        flow.coverage_share,
        flow.n_months_import,
        flow.n_months_export,
        flow.publisher_import,
        flow.publisher_export,
        flow.hs_revision,
        flow.is_revision_assumed,
        flow.is_definition_break,
        flow.data_status,
        flow.source_codes,
        flow.edition_ids,
        concentration.n_suppliers,
        concentration.hhi,
        concentration.n_effective_entropy,
        concentration.top1_supplier_iso3,
        concentration.top1_share,
        concentration.top3_share,
        world.n_reporters,
        world.n_reporters_constant,
        world.hhi_world_export,
        world.hhi_world_export_constant,
        flow.import_usd / nullif(flow.export_usd, 0) as import_export_ratio,
        -- Without exports the ratio is taken as 9999, as CEPII does.
        coalesce(
            flow.import_usd / nullif(flow.export_usd, 0), case when flow.export_usd = 0 then 9999 end
        ) as import_export_criterion,
        case
            when flow.coverage_share < 1 then 'codes_not_loaded'
            when flow.import_usd is null then 'imports_unknown'
            when flow.import_usd = 0 then 'no_imports'
            when flow.export_usd is null then 'exports_unknown'
            when world.hhi_world_export is null then 'no_world_table'
        end as reason_code
    from {{ ref('int_trade_basket') }} as flow
    left join concentration
        on concentration.basket_id = flow.basket_id
        and concentration.year = flow.year
        and concentration.country_iso3 = flow.country_iso3
    left join {{ ref('int_trade_world') }} as world
        on world.basket_id = flow.basket_id
        and world.year = flow.year
    where flow.basket_id <> 'all_commodities' and (flow.n_months_import is not null or flow.import_usd = 0)
),

criteria as (
    select
        *,
        hhi > {{ threshold }} as is_import_concentrated,
        hhi_world_export > {{ threshold }} as is_world_export_concentrated,
        case when import_usd > 0 then import_export_criterion > 1 end as is_not_substitutable
    from measured
),

joined as (
    select
        *,
        -- False as soon as one criterion is false, unknown where none is false and one is unknown.
        case
            when not is_import_concentrated or not is_world_export_concentrated or not is_not_substitutable then 0
            when is_import_concentrated and is_world_export_concentrated and is_not_substitutable then 1
        end as meets_criteria
    from criteria
),

in_window as (
    select
        *,
        sum(case when meets_criteria = 1 then 1 else 0 end) over (
            partition by basket_id, country_iso3 order by year range between 2 preceding and current row
        ) as n_years_met,
        sum(case when meets_criteria = 0 then 1 else 0 end) over (
            partition by basket_id, country_iso3 order by year range between 2 preceding and current row
        ) as n_years_not_met
    from joined
)

select
    cast(in_window.year as int) as year,
    cast(in_window.country_iso3 as string) as country_iso3,
    cast(country.name_en as string) as country_name,
    country.is_focus as is_focus_country,
    cast(in_window.basket_id as string) as basket_id,
    cast(basket.title as string) as basket_title,
    cast(in_window.import_usd as double) as import_usd,
    cast(in_window.export_usd as double) as export_usd,
    cast(coalesce(in_window.n_suppliers, 0) as int) as n_suppliers,
    cast(in_window.hhi as double) as hhi,
    cast(case
        when in_window.n_suppliers > 1 then (in_window.hhi - 1.0 / in_window.n_suppliers) / (1 - 1.0 / in_window.n_suppliers)
    end as double) as hhi_normalised,
    cast(1 / in_window.hhi as double) as n_effective,
    cast(in_window.n_effective_entropy as double) as n_effective_entropy,
    cast(in_window.top1_supplier_iso3 as string) as top1_supplier_iso3,
    cast(in_window.top1_share as double) as top1_share,
    cast(in_window.top3_share as double) as top3_share,
    cast(in_window.import_export_ratio as double) as import_export_ratio,
    cast(in_window.hhi_world_export as double) as hhi_world_export,
    cast(in_window.hhi_world_export_constant as double) as hhi_world_export_constant,
    in_window.is_import_concentrated,
    in_window.is_world_export_concentrated,
    in_window.is_not_substitutable,
    cast(in_window.n_years_met as int) as n_years_met,
    cast(in_window.n_years_met + in_window.n_years_not_met as int) as n_years_known,
    case
        when in_window.n_years_met >= 2 then true
        when in_window.n_years_not_met >= 2 then false
    end as is_persistent,
    case
        when in_window.meets_criteria = 0 or in_window.n_years_not_met >= 2 then false
        when in_window.meets_criteria = 1 and in_window.n_years_met >= 2 then true
    end as is_dependent,
    cast(in_window.reason_code as string) as reason_code,
    cast(coalesce(in_window.n_reporters, 0) as int) as n_reporters,
    cast(coalesce(in_window.n_reporters_constant, 0) as int) as n_reporters_constant,
    cast(in_window.n_months_import as int) as n_months_import,
    cast(in_window.n_months_export as int) as n_months_export,
    cast(in_window.coverage_share as double) as coverage_share,
    cast(in_window.publisher_import as string) as publisher_import,
    cast(in_window.publisher_export as string) as publisher_export,
    cast(in_window.hs_revision as string) as hs_revision,
    in_window.is_definition_break,
    cast(in_window.data_status as string) as data_status,
    cast(max(in_window.year) over (partition by in_window.country_iso3, in_window.basket_id) as int) as last_data_year,
    cast(
        'geodep_criteria,one_trade_publisher,supplier_concentration,trade_gross_flows'
        || case when in_window.is_revision_assumed then ',unnamed_hs_revision' else '' end
        || ',whole_trade_report,world_table,zero_if_filed' as string
    ) as definition_ids,
    cast(in_window.source_codes as string) as source_codes,
    cast(in_window.edition_ids as string) as edition_ids
from in_window
inner join {{ source('vocabulary', 'commodity_basket') }} as basket
    on basket.basket_id = in_window.basket_id
inner join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = in_window.country_iso3
order by
    in_window.coverage_share desc nulls last,
    in_window.basket_id nulls last,
    country.is_focus desc nulls last,
    in_window.country_iso3 nulls last,
    in_window.year nulls last
