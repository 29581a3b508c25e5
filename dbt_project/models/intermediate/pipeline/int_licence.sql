-- Licences of biologics on the lists of two agencies, one row per agency and licence, with substance and modality.
-- European Union: the EMA's list, products that were authorised, also those withdrawn since. United States: the Purple
-- Book, and for licences that it lacks Drugs@FDA (applications of 2019 and before). Presentations of a licence count
-- once. A fixed combination with hyaluronidase is the antibody under another route and no new substance.
with aliases as (
    select
        alias,
        min(substance_id) as substance_id
    from {{ source('vocabulary', 'substance_alias') }}
    where alias_scheme in ('inn', 'us_substance')
    group by alias
),

listed as (
    select
        case when list_name = 'ema_medicines' then 'EMA' else 'FDA' end as agency,
        market_iso3,
        {{ regexp_part('licence_number', '^([^-]+)') }} as licence_root,
        licence_number,
        list_name,
        listed_on,
        brand_name,
        ingredient_name,
        {{ regexp_part("replace(lower(coalesce(ingredient_name, '')), ' alpha', ' alfa')",
            '^(?:fam-)?(.+?)(?:,? and hyaluronidase.*|; ?hyaluronidase.*)?(?:-[a-z]{4})?$') }} as name_key,
        holder_name,
        {{ comparable_name('holder_name') }} as holder_key,
        modality_evidence,
        approved_on,
        coalesce(is_biosimilar, false) as is_biosimilar,
        is_orphan,
        approval_kind,
        status,
        source_code,
        edition_id,
        case list_name when 'drugs_at_fda' then 2 else 1 end as preference
    from {{ ref('stg_product_identity') }}
    where
        list_name in ('ema_medicines', 'purple_book', 'drugs_at_fda')
        and approved_on is not null
        and not coalesce(is_generic, false)
),

chosen as (
    select *
    from (
        select
            *,
            row_number() over (
                partition by agency, case when agency = 'EMA' then licence_number else licence_root end
                order by preference, approved_on, licence_number
            ) as choice
        from listed
    ) as ordered
    where choice = 1
),

named as (
    select
        chosen.*,
        coalesce(by_name.substance_id, by_whole_name.substance_id) as substance_id
    from chosen
    left join aliases as by_name
        on by_name.alias = {{ comparable_name('chosen.name_key') }}
    left join aliases as by_whole_name
        on by_whole_name.alias = {{ comparable_name('chosen.ingredient_name') }}
)

select
    named.agency,
    named.market_iso3,
    named.licence_number,
    named.list_name,
    named.listed_on,
    named.brand_name,
    named.ingredient_name,
    coalesce(named.substance_id, 'name: ' || named.name_key) as substance_key,
    named.substance_id,
    coalesce(substance.name_en, named.ingredient_name) as substance_name,
    coalesce(substance.modality, {{ modality_by_name('named.name_key') }}) as modality,
    case when substance.modality is not null then 'vocabulary' else 'name_stem' end as modality_basis,
    named.holder_name,
    company.company_id as holder_company_id,
    company.home_iso3 as holder_iso3,
    named.approved_on,
    named.is_biosimilar,
    named.is_orphan,
    named.approval_kind,
    named.status,
    named.source_code,
    named.edition_id
from named
left join {{ source('vocabulary', 'substance') }} as substance
    on substance.substance_id = named.substance_id
left join {{ source('vocabulary', 'company_alias') }} as holder
    on holder.scheme = case when named.agency = 'EMA' then 'ema_licence' else 'fda_licence' end
    and holder.alias = named.holder_key
left join {{ source('vocabulary', 'company') }} as company
    on company.company_id = holder.company_id
