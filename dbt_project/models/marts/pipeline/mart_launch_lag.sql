with availability as (
    select * from {{ ref('int_market_availability') }}
),

origins as (
    select
        substance_id,
        {{ distinct_list("case when origin_basis = 'originator' then country_iso3 end") }} as originator_iso3s
    from {{ source('vocabulary', 'product_originator') }}
    group by substance_id
),

timed as (
    select
        availability.*,
        origins.originator_iso3s,
        cast(extract(year from availability.first_foreign_on) as int) as first_foreign_year,
        -- Before 1996 the European Union had no central procedure to speak of: its list does not tell.
        availability.market_iso3 = 'EUU' and availability.first_foreign_on < date '1996-01-01' as is_before_central_procedure,
        case
            when availability.first_foreign_on > availability.observed_to then 'approved_after_last_list'
            when availability.first_anywhere_on is null then 'first_approval_elsewhere_undated'
            when availability.market_iso3 = 'EUU' and availability.first_foreign_on < date '1996-01-01'
                then 'before_central_procedure'
            when availability.market_iso3 = 'JPN' and not availability.is_on_price_list_by_kind
                then 'kind_not_on_price_list'
            when availability.available_to is null and not availability.is_found_by_name then 'name_not_comparable'
            when availability.market_iso3 = 'JPN' and availability.available_to is not null
                and availability.available_from is null then 'on_first_list_at_hand'
        end as reason_code
    from availability
    left join origins
        on origins.substance_id = availability.substance_id
)

select
    cast(timed.market_iso3 as string) as market_iso3,
    cast(timed.substance_key as string) as substance_key,
    cast(timed.substance_id as string) as substance_id,
    cast(timed.substance_name as string) as substance_name,
    cast(timed.modality as string) as modality,
    cast(timed.modality_basis as string) as modality_basis,
    cast(timed.originator_iso3s as string) as originator_iso3s,
    coalesce(timed.originator_iso3s like '%JPN%', false) as is_japanese_origin,
    timed.first_foreign_on,
    timed.first_foreign_year,
    timed.first_anywhere_on,
    timed.available_from,
    timed.available_to,
    timed.observed_to,
    timed.available_to is not null as is_available,
    cast(case
        when timed.first_anywhere_on is null or timed.first_foreign_on > timed.observed_to then null
        when timed.available_to is null then {{ days_between('timed.first_anywhere_on', 'timed.observed_to') }}
        -- On the first list at hand, or before it was approved elsewhere: no lag at the early end.
        when timed.available_from is null or timed.available_from <= timed.first_anywhere_on then 0
        else {{ days_between('timed.first_anywhere_on', 'timed.available_from') }}
    end as int) as lag_low_days,
    cast(case
        when timed.first_anywhere_on is null or timed.available_to is null then null
        when timed.available_to <= timed.first_anywhere_on then 0
        else {{ days_between('timed.first_anywhere_on', 'timed.available_to') }}
    end as int) as lag_high_days,
    timed.available_to is null as is_right_censored,
    case
        when timed.reason_code in ('approved_after_last_list', 'before_central_procedure', 'kind_not_on_price_list', 'name_not_comparable') then null
        else timed.available_to is null
            and {{ days_between('timed.first_foreign_on', 'timed.observed_to') }} >= 365.25 * {{ var('drug_loss_years') }}
    end as is_lost,
    cast(timed.reason_code as string) as reason_code,
    cast({{ worse_status(['timed.data_status', "'derived'"]) }} as string) as data_status,
    cast(extract(year from timed.observed_to) as int) as last_data_year,
    cast({{ merge_lists(["'approval_of_new_substance'", "'launch_lag'", "'drug_loss'",
        "case when timed.modality_basis = 'name_stem' then 'modality_by_name' end",
        "case when timed.market_iso3 = 'JPN' then 'japan_price_list_as_availability' end"]) }} as string) as definition_ids,
    cast(timed.source_codes as string) as source_codes,
    cast(timed.edition_ids as string) as edition_ids
from timed
-- As of a day on which the lists of an agency are not at hand there is nothing to compare.
where (select count(distinct market_iso3) from timed) = 3
order by
    case timed.market_iso3 when 'JPN' then 1 when 'EUU' then 2 else 3 end nulls last,
    timed.first_foreign_on desc nulls last,
    timed.substance_key nulls last
