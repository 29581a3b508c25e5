-- Exports and imports of a country by basket and year, side by side, from its whole reports. A direction without any
-- row is zero where the other direction's publisher holds twelve months of the year, and unknown otherwise.
with reports as (
    select *
    from {{ ref('int_trade_choice') }}
    where choice = 1 and is_whole
),

partners as (
    select
        basket_id,
        year,
        reporter_iso3,
        flow,
        count(distinct case when value_usd > 0 then partner_iso3 end) as n_partners
    from {{ ref('int_trade_flow') }}
    group by basket_id, year, reporter_iso3, flow
),

any_report as (
    select distinct basket_id, year, reporter_iso3, flow
    from {{ ref('int_trade_choice') }}
),

countries as (
    select distinct basket_id, year, reporter_iso3
    from reports
),

paired as (
    select
        countries.basket_id,
        countries.year,
        countries.reporter_iso3 as country_iso3,
        export.is_usable as export_is_usable,
        import.is_usable as import_is_usable,
        case
            when export.is_usable then export.value_usd
            when any_export.flow is null and import.is_usable and import.n_months = 12 then 0
        end as export_usd,
        case
            when import.is_usable then import.value_usd
            when any_import.flow is null and export.is_usable and export.n_months = 12 then 0
        end as import_usd,
        export.n_months as n_months_export,
        import.n_months as n_months_import,
        coalesce(partners_export.n_partners, 0) as n_partners_export,
        coalesce(partners_import.n_partners, 0) as n_partners_import,
        export.publisher as publisher_export,
        import.publisher as publisher_import,
        export.hs_revision as hs_revision_export,
        import.hs_revision as hs_revision_import,
        export.valuations as valuation_export,
        import.valuations as valuation_import,
        coalesce(export.is_revision_assumed, false) or coalesce(import.is_revision_assumed, false)
            as is_revision_assumed,
        least(
            coalesce(export.coverage_share, import.coverage_share),
            coalesce(import.coverage_share, export.coverage_share)
        ) as coverage_share,
        coalesce(import.n_codes, export.n_codes) as n_codes,
        coalesce(import.n_codes_loaded, export.n_codes_loaded) as n_codes_loaded,
        {{ worse_status(['export.data_status', 'import.data_status', "'derived'"]) }} as data_status,
        {{ merge_lists(['export.source_codes', 'import.source_codes']) }} as source_codes,
        {{ merge_lists(['export.edition_ids', 'import.edition_ids']) }} as edition_ids
    from countries
    left join reports as export
        on export.basket_id = countries.basket_id
        and export.year = countries.year
        and export.reporter_iso3 = countries.reporter_iso3
        and export.flow = 'export'
    left join reports as import
        on import.basket_id = countries.basket_id
        and import.year = countries.year
        and import.reporter_iso3 = countries.reporter_iso3
        and import.flow = 'import'
    left join any_report as any_export
        on any_export.basket_id = countries.basket_id
        and any_export.year = countries.year
        and any_export.reporter_iso3 = countries.reporter_iso3
        and any_export.flow = 'export'
    left join any_report as any_import
        on any_import.basket_id = countries.basket_id
        and any_import.year = countries.year
        and any_import.reporter_iso3 = countries.reporter_iso3
        and any_import.flow = 'import'
    left join partners as partners_export
        on partners_export.basket_id = countries.basket_id
        and partners_export.year = countries.year
        and partners_export.reporter_iso3 = countries.reporter_iso3
        and partners_export.flow = 'export'
        and export.reporter_iso3 is not null
    left join partners as partners_import
        on partners_import.basket_id = countries.basket_id
        and partners_import.year = countries.year
        and partners_import.reporter_iso3 = countries.reporter_iso3
        and partners_import.flow = 'import'
        and import.reporter_iso3 is not null
),

in_order as (
    select
        *,
        coalesce(hs_revision_import, hs_revision_export) as hs_revision,
        lag(coalesce(hs_revision_import, hs_revision_export)) over (
            partition by basket_id, country_iso3 order by year
        ) as previous_revision
    from paired
),

changes as (
    select
        in_order.basket_id,
        in_order.previous_revision,
        in_order.hs_revision,
        max(case when basket_break.is_break then 1 else 0 end) = 1 as is_break
    from (
        select distinct basket_id, previous_revision, hs_revision
        from in_order
        where previous_revision <> hs_revision
    ) as in_order
    inner join {{ ref('int_basket_break') }} as basket_break
        on basket_break.basket_id = in_order.basket_id
        and basket_break.hs_revision > least(in_order.previous_revision, in_order.hs_revision)
        and basket_break.hs_revision <= greatest(in_order.previous_revision, in_order.hs_revision)
    group by in_order.basket_id, in_order.previous_revision, in_order.hs_revision
)

select
    in_order.*,
    coalesce(changes.is_break, false) as is_definition_break,
    case
        when in_order.coverage_share < 1 then 'codes_not_loaded'
        when in_order.export_usd is null then 'exports_unknown'
        when in_order.import_usd is null then 'imports_unknown'
    end as reason_code
from in_order
left join changes
    on changes.basket_id = in_order.basket_id
    and changes.previous_revision = in_order.previous_revision
    and changes.hs_revision = in_order.hs_revision
