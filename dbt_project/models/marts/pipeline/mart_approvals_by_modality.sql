-- What counts: substances new to an agency, by the year of their first licence there; biosimilars by licence; and, so
-- that Japan can stand beside them, substances on the agencies' lists by the days of Japan's price lists.
with licences as (
    select * from {{ ref('int_licence') }}
),

new_substances as (
    select
        'approved_in_year' as basis,
        'new_substance' as licence_kind,
        licences.agency,
        licences.market_iso3,
        licences.substance_key,
        max(licences.modality) as modality,
        max(licences.modality_basis) as modality_basis,
        cast(extract(year from min(licences.approved_on)) as int) as year,
        cast(null as date) as as_of_on,
        min(licences.approved_on) as approved_on,
        {{ worst_status('licences.status', 'reported') }} as data_status,
        {{ distinct_list('licences.source_code') }} as source_codes,
        {{ distinct_list('licences.edition_id') }} as edition_ids
    from licences
    where not licences.is_biosimilar
    group by licences.agency, licences.market_iso3, licences.substance_key
),

biosimilars as (
    select
        'approved_in_year' as basis,
        'biosimilar' as licence_kind,
        agency,
        market_iso3,
        licence_number as substance_key,
        modality,
        modality_basis,
        cast(extract(year from approved_on) as int) as year,
        cast(null as date) as as_of_on,
        approved_on,
        status as data_status,
        source_code as source_codes,
        edition_id as edition_ids
    from licences
    where is_biosimilar
),

-- Days of Japan's price lists; of the agencies, the last list.
days as (
    select distinct first_list_on as as_of_on
    from {{ ref('int_japan_listing') }}
),

lists as (
    select
        case when list_name = 'ema_medicines' then 'EMA' else 'FDA' end as agency,
        max(listed_on) as list_on
    from {{ ref('stg_product_identity') }}
    where list_name in ('ema_medicines', 'purple_book')
    group by case when list_name = 'ema_medicines' then 'EMA' else 'FDA' end
),

on_list_by_day as (
    select
        'listed_by_day' as basis,
        'new_substance' as licence_kind,
        'MHLW' as agency,
        'JPN' as market_iso3,
        listing.substance_id as substance_key,
        listing.modality,
        'vocabulary' as modality_basis,
        cast(extract(year from days.as_of_on) as int) as year,
        days.as_of_on,
        cast(null as date) as approved_on,
        listing.data_status,
        listing.source_codes,
        listing.edition_ids
    from {{ ref('int_japan_listing') }} as listing
    inner join days
        on days.as_of_on >= listing.first_list_on
    union all
    select
        'listed_by_day' as basis,
        'new_substance' as licence_kind,
        substances.agency,
        substances.market_iso3,
        substances.substance_key,
        substances.modality,
        substances.modality_basis,
        cast(extract(year from days.as_of_on) as int) as year,
        days.as_of_on,
        cast(null as date) as approved_on,
        substances.data_status,
        substances.source_codes,
        substances.edition_ids
    from new_substances as substances
    inner join days
        on days.as_of_on >= substances.approved_on
),

counted_items as (
    select * from new_substances
    union all
    select * from biosimilars
    union all
    select * from on_list_by_day
),

-- Days from the first approval in the European Union or the United States to that of the agency.
lagged as (
    select
        items.*,
        case
            when items.basis = 'approved_in_year' and items.licence_kind = 'new_substance'
                then {{ days_between('availability.first_anywhere_on', 'items.approved_on') }}
        end as lag_days
    from counted_items as items
    left join {{ ref('int_market_availability') }} as availability
        on availability.market_iso3 = items.market_iso3
        and availability.substance_key = items.substance_key
),

-- Countries of a new substance are those of its originators; of a biosimilar, that of the company that holds it.
bases as (
    select 'originator' as origin_basis
    union all select 'parent_at_filing' as origin_basis
    union all select 'applicant' as origin_basis
    union all select 'main_seller' as origin_basis
),

reviewed as (
    select
        substance_id as substance_key,
        origin_basis,
        country_iso3,
        sum(weight) as weight
    from {{ source('vocabulary', 'product_originator') }}
    group by substance_id, origin_basis, country_iso3
),

origins as (
    select substance_key, origin_basis, country_iso3, weight
    from reviewed
    union all
    select
        items.substance_key,
        bases.origin_basis,
        cast(null as string) as country_iso3,
        1.0 - coalesce(known.weight, 0.0) as weight
    from (select distinct substance_key from counted_items where licence_kind = 'new_substance') as items
    cross join bases
    left join (
        select substance_key, origin_basis, sum(weight) as weight
        from reviewed
        group by substance_key, origin_basis
    ) as known
        on known.substance_key = items.substance_key
        and known.origin_basis = bases.origin_basis
    where 1.0 - coalesce(known.weight, 0.0) > 1e-9
    union all
    select licence_number, 'applicant', holder_iso3, 1.0
    from licences
    where is_biosimilar
),

classed as (
    select
        lagged.*,
        rulesets.ruleset_id,
        rulesets.is_headline,
        case when rule.is_biologic then lagged.modality else 'unclassified' end as counted_modality,
        origins.origin_basis,
        origins.country_iso3,
        origins.weight
    from lagged
    cross join {{ source('vocabulary', 'modality_ruleset') }} as rulesets
    left join {{ source('vocabulary', 'modality_rule') }} as rule
        on rule.ruleset_id = rulesets.ruleset_id
        and rule.modality = lagged.modality
    inner join origins
        on origins.substance_key = lagged.substance_key
    where
        (rule.is_biologic or (lagged.modality is null and lagged.basis = 'approved_in_year'))
        and lagged.year >= {{ var('approvals_first_year') }}
),

levels as (
    select classed.*, 'modality' as row_level, counted_modality as modality_shown
    from classed
    union all
    select classed.*, 'biologics_total' as row_level, 'all' as modality_shown
    from classed
    where counted_modality <> 'unclassified'
),

grouped as (
    select
        basis,
        licence_kind,
        agency,
        market_iso3,
        year,
        as_of_on,
        ruleset_id,
        is_headline,
        row_level,
        modality_shown,
        origin_basis,
        country_iso3,
        sum(weight) as n_approved,
        count(lag_days) as n_with_lag,
        median(lag_days) as lag_median_days,
        {{ quantile('lag_days', 0.9) }} as lag_p90_days,
        sum(case when modality_basis = 'name_stem' then weight else 0 end) as n_by_name,
        {{ worst_status('data_status') }} as data_status,
        {{ merge_lists([distinct_list('source_codes')]) }} as source_codes,
        {{ merge_lists([distinct_list('edition_ids')]) }} as edition_ids
    from levels
    group by
        basis, licence_kind, agency, market_iso3, year, as_of_on, ruleset_id, is_headline, row_level, modality_shown,
        origin_basis, country_iso3
),

shared as (
    select
        grouped.*,
        sum(n_approved) over parts as n_all_origins,
        sum(case when country_iso3 is not null then n_approved else 0 end) over parts as n_known_origin
    from grouped
    window parts as (
        partition by basis, licence_kind, agency, year, as_of_on, ruleset_id, row_level, modality_shown, origin_basis
    )
)

select
    cast(shared.basis as string) as basis,
    cast(shared.licence_kind as string) as licence_kind,
    cast(shared.agency as string) as agency,
    cast(shared.market_iso3 as string) as market_iso3,
    cast(shared.year as int) as year,
    cast(shared.as_of_on as date) as as_of_date,
    cast(shared.ruleset_id as string) as ruleset_id,
    shared.is_headline as is_headline_ruleset,
    cast(shared.row_level as string) as row_level,
    cast(shared.modality_shown as string) as modality,
    cast(shared.origin_basis as string) as origin_basis,
    cast(coalesce(shared.country_iso3, 'unknown') as string) as origin_iso3,
    cast(coalesce(country.name_en, 'Not known') as string) as origin_country,
    cast(shared.n_approved as double) as n_approved,
    cast(shared.n_all_origins as double) as n_all_origins,
    cast(shared.n_approved / nullif(shared.n_all_origins, 0) as double) as share_of_approvals,
    cast(shared.n_known_origin / nullif(shared.n_all_origins, 0) as double) as coverage_share,
    cast(shared.n_by_name / nullif(shared.n_approved, 0) as double) as share_classed_by_name,
    cast(shared.n_with_lag as int) as n_with_lag,
    cast(shared.lag_median_days as double) as lag_median_days,
    cast(shared.lag_p90_days as double) as lag_p90_days,
    coalesce(shared.as_of_on > lists.list_on, false) as is_incomplete,
    cast(case
        when shared.agency = 'MHLW' then 'list_without_approval_dates'
        when shared.basis = 'listed_by_day' then 'counted_by_day'
        when shared.licence_kind = 'biosimilar' then 'not_for_biosimilars'
        when shared.n_with_lag = 0 then 'first_approval_not_known'
    end as string) as reason_code,
    cast(shared.data_status as string) as data_status,
    cast(max(shared.year) over (partition by shared.agency) as int) as last_data_year,
    cast({{ merge_lists(["'approval_of_new_substance'", "'origin_of_company_' || shared.origin_basis",
        "case when shared.n_by_name > 0 then 'modality_by_name' end",
        "case when shared.agency = 'MHLW' then 'japan_price_list_as_availability' end",
        "case when shared.n_with_lag > 0 then 'launch_lag' end"]) }} as string) as definition_ids,
    cast(shared.source_codes as string) as source_codes,
    cast(shared.edition_ids as string) as edition_ids
from shared
left join lists
    on lists.agency = shared.agency
left join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = shared.country_iso3
order by
    case shared.basis when 'listed_by_day' then 1 else 2 end nulls last,
    shared.licence_kind desc nulls last,
    shared.as_of_on desc nulls last,
    shared.year desc nulls last,
    case shared.agency when 'MHLW' then 1 when 'EMA' then 2 else 3 end nulls last,
    shared.is_headline desc nulls last,
    shared.ruleset_id nulls last,
    shared.row_level nulls last,
    shared.modality_shown nulls last,
    case shared.origin_basis when 'originator' then 1 when 'parent_at_filing' then 2 when 'applicant' then 3 else 4 end
        nulls last,
    shared.n_approved desc nulls last,
    shared.country_iso3 nulls last
