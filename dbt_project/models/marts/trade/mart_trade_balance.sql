with by_code as (
    select
        basket_id,
        year,
        country_iso3,
        commodity_revision,
        commodity_code,
        coalesce(sum(case when flow = 'export' then value_usd end), 0) as export_usd,
        coalesce(sum(case when flow = 'import' then value_usd end), 0) as import_usd,
        max(case when is_convertible then 0 else 1 end) as n_not_convertible
    from {{ ref('int_trade_commodity') }}
    group by basket_id, year, country_iso3, commodity_revision, commodity_code
),

intra as (
    select
        basket_id,
        year,
        country_iso3,
        count(*) as n_commodities,
        max(n_not_convertible) as n_not_convertible,
        1 - sum(abs(export_usd - import_usd)) / nullif(sum(export_usd + import_usd), 0) as grubel_lloyd
    from by_code
    group by basket_id, year, country_iso3
),

paired as (
    select
        flow.*,
        intra.n_commodities,
        case
            when flow.reason_code is not null then flow.reason_code
            when flow.export_usd + flow.import_usd = 0 then 'no_trade'
            when intra.n_not_convertible = 1 and flow.hs_revision_export <> flow.hs_revision_import then 'codes_differ'
        end as reason,
        intra.grubel_lloyd as grubel_lloyd_of_codes
    from {{ ref('int_trade_basket') }} as flow
    left join intra
        on intra.basket_id = flow.basket_id
        and intra.year = flow.year
        and intra.country_iso3 = flow.country_iso3
)

select
    cast(paired.year as int) as year,
    cast(paired.country_iso3 as string) as country_iso3,
    cast(country.name_en as string) as country_name,
    country.is_focus as is_focus_country,
    cast(paired.basket_id as string) as basket_id,
    cast(basket.title as string) as basket_title,
    cast(paired.export_usd as double) as export_usd,
    cast(paired.import_usd as double) as import_usd,
    cast(paired.export_usd - paired.import_usd as double) as balance_usd,
    cast((paired.export_usd - paired.import_usd) / nullif(paired.export_usd + paired.import_usd, 0) as double)
        as normalised_balance,
    cast(case when paired.reason is null then paired.grubel_lloyd_of_codes end as double) as grubel_lloyd,
    cast(paired.reason as string) as reason_code,
    cast(paired.n_commodities as int) as n_commodities,
    cast(paired.n_partners_export as int) as n_partners_export,
    cast(paired.n_partners_import as int) as n_partners_import,
    cast(paired.n_months_export as int) as n_months_export,
    cast(paired.n_months_import as int) as n_months_import,
    cast(paired.n_codes as int) as n_codes,
    cast(paired.n_codes_loaded as int) as n_codes_loaded,
    cast(paired.coverage_share as double) as coverage_share,
    cast(paired.publisher_export as string) as publisher_export,
    cast(paired.publisher_import as string) as publisher_import,
    cast(paired.hs_revision as string) as hs_revision,
    paired.is_revision_assumed,
    paired.is_definition_break,
    cast(paired.valuation_export as string) as valuation_export,
    cast(paired.valuation_import as string) as valuation_import,
    cast(paired.data_status as string) as data_status,
    cast(max(paired.year) over (partition by paired.country_iso3, paired.basket_id) as int) as last_data_year,
    cast(
        'grubel_lloyd,normalised_trade_balance,one_trade_publisher,trade_gross_flows'
        || case when paired.is_revision_assumed then ',unnamed_hs_revision' else '' end
        || ',upward_conversion,whole_trade_report,zero_if_filed' as string
    ) as definition_ids,
    cast(paired.source_codes as string) as source_codes,
    cast(paired.edition_ids as string) as edition_ids
from paired
inner join {{ source('vocabulary', 'commodity_basket') }} as basket
    on basket.basket_id = paired.basket_id
inner join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = paired.country_iso3
order by
    paired.coverage_share desc nulls last,
    paired.basket_id nulls last,
    country.is_focus desc nulls last,
    paired.country_iso3 nulls last,
    paired.year nulls last
