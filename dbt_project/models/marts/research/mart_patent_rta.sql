-- Windows of three years that end in each year; a window of which a year is missing has no figures.
with counts as (
    select
        entity_code,
        entity_kind,
        count_kind,
        field_code,
        cast(extract(year from period_start) as int) as year,
        value,
        status,
        source_code,
        edition_id
    from {{ ref('stg_patent_count') }}
    where field_scheme = 'wipo_35' and value is not null and (entity_kind = 'country' or entity_code = 'WLD')
),

windows as (
    select
        ends.entity_code,
        ends.count_kind,
        ends.field_code,
        ends.year as last_year,
        sum(counts.value) as n_patents,
        count(*) as n_years,
        {{ worst_status('counts.status') }} as data_status,
        {{ distinct_list('counts.source_code') }} as source_codes,
        {{ distinct_list('counts.edition_id') }} as edition_ids
    from counts as ends
    inner join counts
        on counts.entity_code = ends.entity_code
        and counts.count_kind = ends.count_kind
        and counts.field_code = ends.field_code
        and counts.year between ends.year - 2 and ends.year
    group by ends.entity_code, ends.count_kind, ends.field_code, ends.year
    having count(*) = 3
),

fields as (
    select distinct field_code, field_name
    from {{ ref('stg_patent_count') }}
    where field_code <> '_T'
),

joined as (
    select
        country.entity_code as country_iso3,
        country.count_kind,
        country.field_code,
        fields.field_name,
        country.last_year,
        country.n_patents,
        world.n_patents as n_world,
        country_all.n_patents as n_all_fields,
        world_all.n_patents as n_world_all_fields,
        {{ worse_status(['country.data_status', 'world.data_status', 'country_all.data_status']) }} as data_status,
        {{ merge_lists(['country.source_codes', 'world.source_codes', 'country_all.source_codes']) }} as source_codes,
        {{ merge_lists(['country.edition_ids', 'world.edition_ids', 'country_all.edition_ids']) }} as edition_ids
    from windows as country
    inner join fields
        on fields.field_code = country.field_code
    left join windows as world
        on world.entity_code = 'WLD'
        and world.count_kind = country.count_kind
        and world.field_code = country.field_code
        and world.last_year = country.last_year
    left join windows as country_all
        on country_all.entity_code = country.entity_code
        and country_all.count_kind = country.count_kind
        and country_all.field_code = '_T'
        and country_all.last_year = country.last_year
    left join windows as world_all
        on world_all.entity_code = 'WLD'
        and world_all.count_kind = country.count_kind
        and world_all.field_code = '_T'
        and world_all.last_year = country.last_year
    where country.entity_code <> 'WLD'
),

measured as (
    select
        *,
        n_patents / nullif(n_world, 0) as share_of_world,
        n_patents / nullif(n_all_fields, 0) as share_of_own_patents,
        (n_patents * n_world_all_fields) / nullif(n_all_fields * n_world, 0) as rta,
        -- Written without dividing by the index, so that a country without patents of the field has -1.
        (n_patents * n_world_all_fields - n_all_fields * n_world)
            / nullif(n_patents * n_world_all_fields + n_all_fields * n_world, 0) as rta_symmetric,
        rank() over (partition by count_kind, field_code, last_year order by n_patents desc) as rank_in_list,
        count(*) over (partition by count_kind, field_code, last_year) as n_countries
    from joined
)

select
    cast(measured.country_iso3 as string) as country_iso3,
    cast(country.name_en as string) as country_name_en,
    coalesce(country.is_focus, false) as is_focus,
    cast(measured.count_kind as string) as count_kind,
    cast('wipo_35' as string) as field_scheme,
    cast(measured.field_code as string) as field_code,
    cast(measured.field_name as string) as field_name,
    cast(measured.last_year - 2 as int) as first_year,
    cast(measured.last_year as int) as last_year,
    cast(measured.n_patents as double) as n_fractional,
    cast(measured.n_world as double) as n_world,
    cast(measured.share_of_world as double) as share_of_world,
    cast(measured.rank_in_list as int) as rank_in_list,
    cast(measured.n_countries as int) as n_countries,
    cast(measured.n_all_fields as double) as n_all_fields,
    cast(measured.share_of_own_patents as double) as share_of_own_patents,
    cast(measured.rta as double) as rta,
    cast(measured.rta_symmetric as double) as rta_symmetric,
    cast(case
        when measured.n_world is null then 'no_world_total'
        when measured.n_all_fields is null then 'all_fields_not_at_hand'
        when measured.rta is null then 'no_patents'
    end as string) as reason_code,
    cast(measured.data_status as string) as data_status,
    cast(max(measured.last_year) over (partition by measured.count_kind) as int) as last_data_year,
    cast({{ merge_lists(["case measured.count_kind when 'family_granted' then 'patent_family_granted'"
        ~ " else 'patent_uspto_granted' end", "'patent_field_wipo'",
        "case when measured.rta is not null then 'patent_rta' end"]) }} as string) as definition_ids,
    cast(measured.source_codes as string) as source_codes,
    cast(measured.edition_ids as string) as edition_ids
from measured
left join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = measured.country_iso3
order by
    measured.last_year desc nulls last,
    measured.count_kind nulls last,
    measured.field_code nulls last,
    measured.n_patents desc nulls last,
    measured.country_iso3 nulls last
