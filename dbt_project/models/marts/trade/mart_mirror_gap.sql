-- Both countries' own reports of one flow; reconciled data, which know no gap, are left out.
with reports as (
    select
        choice.basket_id,
        choice.year,
        choice.reporter_iso3,
        choice.flow,
        report.partner_iso3,
        choice.publisher,
        choice.hs_revision,
        choice.is_revision_assumed,
        choice.coverage_share,
        choice.n_months,
        sum(report.value_usd) as value_usd,
        {{ merge_lists([distinct_list('report.valuations')]) }} as valuations,
        {{ worst_status('report.data_status') }} as data_status,
        {{ merge_lists([distinct_list('report.source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('report.edition_ids')]) }} as edition_ids
    from {{ ref('int_trade_choice') }} as choice
    inner join {{ source('vocabulary', 'commodity_basket_code') }} as member
        on member.basket_id = choice.basket_id
        and member.hs_revision = choice.hs_revision
    inner join {{ ref('int_trade_report') }} as report
        on report.publisher = choice.publisher
        and report.hs_revision = choice.hs_revision
        and report.is_revision_assumed = choice.is_revision_assumed
        and report.is_reconciled = choice.is_reconciled
        and report.reporter_iso3 = choice.reporter_iso3
        and report.year = choice.year
        and report.flow = choice.flow
        and report.hs_code = member.hs_code
    where
        choice.own_choice = 1
        and not choice.is_reconciled
        and choice.coverage_share = 1
        and report.partner_iso3 <> 'WLD'
        and report.partner_iso3 <> choice.reporter_iso3
    group by
        choice.basket_id, choice.year, choice.reporter_iso3, choice.flow, report.partner_iso3, choice.publisher,
        choice.hs_revision, choice.is_revision_assumed, choice.coverage_share, choice.n_months
),

pairs as (
    select
        import.basket_id,
        import.year,
        import.partner_iso3 as exporter_iso3,
        import.reporter_iso3 as importer_iso3,
        import.value_usd as importer_report_usd,
        export.value_usd as exporter_report_usd,
        import.valuations as importer_valuation,
        export.valuations as exporter_valuation,
        import.n_months as n_months_importer,
        export.n_months as n_months_exporter,
        import.hs_revision as hs_revision_importer,
        export.hs_revision as hs_revision_exporter,
        import.is_revision_assumed or export.is_revision_assumed as is_revision_assumed,
        ln(import.value_usd / export.value_usd) as log_ratio,
        {{ worse_status(['import.data_status', 'export.data_status']) }} as data_status,
        {{ merge_lists(['import.source_codes', 'export.source_codes']) }} as source_codes,
        {{ merge_lists(['import.edition_ids', 'export.edition_ids']) }} as edition_ids
    from reports as import
    inner join reports as export
        on export.basket_id = import.basket_id
        and export.year = import.year
        and export.reporter_iso3 = import.partner_iso3
        and export.partner_iso3 = import.reporter_iso3
        and export.flow = 'export'
        and export.value_usd > 0
    where import.flow = 'import' and import.value_usd > 0
)

select
    cast(pairs.year as int) as year,
    cast(pairs.basket_id as string) as basket_id,
    cast(basket.title as string) as basket_title,
    cast(pairs.exporter_iso3 as string) as exporter_iso3,
    cast(exporter.name_en as string) as exporter_name,
    cast(pairs.importer_iso3 as string) as importer_iso3,
    cast(importer.name_en as string) as importer_name,
    cast(pairs.importer_report_usd as double) as importer_report_usd,
    cast(pairs.exporter_report_usd as double) as exporter_report_usd,
    cast(least(pairs.importer_report_usd, pairs.exporter_report_usd) as double) as low_usd,
    cast(greatest(pairs.importer_report_usd, pairs.exporter_report_usd) as double) as high_usd,
    cast(pairs.importer_report_usd / pairs.exporter_report_usd as double) as import_export_ratio,
    cast(pairs.log_ratio as double) as log_ratio,
    cast(
        2 * abs(pairs.importer_report_usd - pairs.exporter_report_usd)
        / (pairs.importer_report_usd + pairs.exporter_report_usd) as double
    ) as symmetric_gap,
    abs(pairs.log_ratio) <= ln(cast(1.1 as double)) as agrees_within_10_percent,
    abs(pairs.log_ratio) <= ln(cast(1.25 as double)) as agrees_within_25_percent,
    cast(pairs.importer_valuation as string) as importer_valuation,
    cast(pairs.exporter_valuation as string) as exporter_valuation,
    cast(pairs.n_months_importer as int) as n_months_importer,
    cast(pairs.n_months_exporter as int) as n_months_exporter,
    cast(case
        when least(pairs.n_months_importer, pairs.n_months_exporter) < 12 then 'part_of_year'
        when pairs.hs_revision_importer <> pairs.hs_revision_exporter then 'revisions_differ'
    end as string) as reason_code,
    cast(count(*) over (partition by pairs.basket_id, pairs.year) as int) as n_pairs,
    cast(pairs.data_status as string) as data_status,
    cast(max(pairs.year) over (
        partition by pairs.basket_id, pairs.exporter_iso3, pairs.importer_iso3
    ) as int) as last_data_year,
    cast(
        'mirror_comparison,one_trade_publisher,trade_gross_flows'
        || case when pairs.is_revision_assumed then ',unnamed_hs_revision' else '' end as string
    ) as definition_ids,
    cast(pairs.source_codes as string) as source_codes,
    cast(pairs.edition_ids as string) as edition_ids
from pairs
inner join {{ source('vocabulary', 'commodity_basket') }} as basket
    on basket.basket_id = pairs.basket_id
inner join {{ source('vocabulary', 'country') }} as exporter
    on exporter.iso3 = pairs.exporter_iso3
inner join {{ source('vocabulary', 'country') }} as importer
    on importer.iso3 = pairs.importer_iso3
order by
    pairs.basket_id nulls last,
    pairs.year desc nulls last,
    greatest(pairs.importer_report_usd, pairs.exporter_report_usd) desc nulls last,
    pairs.exporter_iso3 nulls last,
    pairs.importer_iso3 nulls last
