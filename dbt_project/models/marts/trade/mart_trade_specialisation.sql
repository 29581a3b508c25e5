with indices as (
    select
        *,
        sum(case when scope = 'basket' then export_usd - coalesce(import_usd, 0) end) over (
            partition by scope, basket_id, year, country_iso3
        ) as basket_balance_usd,
        sum(case when scope = 'basket' then export_usd + coalesce(import_usd, 0) end) over (
            partition by scope, basket_id, year, country_iso3
        ) as basket_trade_usd
    from {{ ref('int_trade_rca') }}
),

paired as (
    select
        indices.*,
        flow.import_usd as basket_import_usd,
        flow.coverage_share,
        flow.is_revision_assumed,
        flow.is_definition_break,
        flow.publisher_export,
        flow.publisher_import,
        flow.n_months_export,
        flow.data_status,
        flow.source_codes,
        flow.edition_ids
    from indices
    inner join {{ ref('int_trade_basket') }} as flow
        on flow.basket_id = indices.basket_id
        and flow.year = indices.year
        and flow.country_iso3 = indices.country_iso3
)

select
    cast(paired.scope as string) as scope,
    cast(paired.year as int) as year,
    cast(paired.country_iso3 as string) as country_iso3,
    cast(country.name_en as string) as country_name,
    country.is_focus as is_focus_country,
    cast(paired.basket_id as string) as basket_id,
    cast(basket.title as string) as basket_title,
    cast(paired.commodity_revision as string) as commodity_revision,
    cast(paired.commodity_code as string) as commodity_code,
    cast(paired.export_usd as double) as export_usd,
    cast(case
        when paired.basket_import_usd is null then null
        when paired.scope = 'basket' then coalesce(paired.import_usd, 0)
        else paired.basket_import_usd
    end as double) as import_usd,
    cast(paired.country_export_usd as double) as country_export_usd,
    cast(case when paired.n_reporters >= {{ var('world_table_reporters') }} then paired.commodity_export_usd end as double)
        as world_export_usd,
    cast(paired.world_share as double) as world_share,
    cast(paired.rca as double) as rca,
    cast(paired.rsca as double) as rsca,
    cast(paired.arca as double) as arca,
    cast(paired.nrca as double) as nrca,
    paired.rca >= 1 as is_specialised,
    cast(case
        when
            paired.scope = 'basket' and paired.n_commodities > 1 and paired.basket_import_usd is not null
            and paired.export_usd + coalesce(paired.import_usd, 0) > 0
            then
                100
                * (
                    (paired.export_usd - coalesce(paired.import_usd, 0))
                    / (paired.export_usd + coalesce(paired.import_usd, 0))
                    - paired.basket_balance_usd / paired.basket_trade_usd
                )
                * (paired.export_usd + coalesce(paired.import_usd, 0)) / paired.basket_trade_usd
    end as double) as lafay,
    cast(paired.reason_code as string) as reason_code,
    cast(paired.n_reporters as int) as n_reporters,
    cast(paired.n_commodities as int) as n_commodities,
    cast(paired.n_months_export as int) as n_months_export,
    cast(paired.coverage_share as double) as coverage_share,
    cast(paired.publisher_export as string) as publisher_export,
    paired.is_definition_break,
    cast(paired.data_status as string) as data_status,
    cast(max(paired.year) over (partition by paired.country_iso3, paired.basket_id) as int) as last_data_year,
    cast(
        'lafay_index,one_trade_publisher,rca_balassa,trade_gross_flows'
        || case when paired.is_revision_assumed then ',unnamed_hs_revision' else '' end
        || ',upward_conversion,whole_trade_report,world_table' as string
    ) as definition_ids,
    cast(paired.source_codes as string) as source_codes,
    cast(paired.edition_ids as string) as edition_ids
from paired
inner join {{ source('vocabulary', 'commodity_basket') }} as basket
    on basket.basket_id = paired.basket_id
inner join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = paired.country_iso3
order by
    paired.scope nulls last,
    paired.basket_id nulls last,
    paired.commodity_code nulls last,
    country.is_focus desc nulls last,
    paired.country_iso3 nulls last,
    paired.year nulls last
