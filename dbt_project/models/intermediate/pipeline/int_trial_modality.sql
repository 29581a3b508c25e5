-- Interventional trials of biologics by the modality of what is tested: the vocabulary's where it knows one of the names,
-- else by stems and words of the names. A trial of several modalities is `several`. The registry's own types do not tell:
-- DRUG includes antibodies.
with trials as (
    select
        nct_id,
        lower(intervention_names) as names,
        cast(extract(year from start_on) as int) as start_year,
        lead_sponsor_name,
        lead_sponsor_class,
        status,
        source_code,
        edition_id
    from {{ ref('stg_trial') }}
    where study_type = 'INTERVENTIONAL' and intervention_names is not null and start_on is not null
),

aliases as (
    select alias, min(substance_id) as substance_id
    from {{ source('vocabulary', 'substance_alias') }}
    where alias_scheme in ('inn', 'us_substance', 'brand')
    group by alias
),

interventions as (
    select
        parts.nct_id,
        coalesce(substance.modality, {{ modality_by_name('trim(parts.part)') }}) as modality,
        substance.modality is not null as is_by_vocabulary
    from {{ split_rows('trials', 'names', ' | ') }} as parts
    left join aliases
        on aliases.alias = {{ comparable_name('parts.part') }}
    left join {{ source('vocabulary', 'substance') }} as substance
        on substance.substance_id = aliases.substance_id
),

-- What the vocabulary knows decides; small molecules beside a biologic are companions of it.
ranked as (
    select
        nct_id,
        modality,
        rank() over (
            partition by nct_id
            order by case when modality = 'small_molecule' then 3 when is_by_vocabulary then 1 else 2 end
        ) as place
    from interventions
    where modality is not null
),

judged as (
    select
        nct_id,
        case when count(distinct modality) = 1 then max(modality) else 'several' end as modality
    from ranked
    where place = 1
    group by nct_id
)

select
    trials.nct_id,
    judged.modality,
    trials.start_year,
    trials.lead_sponsor_name,
    trials.lead_sponsor_class,
    trials.status,
    trials.source_code,
    trials.edition_id
from trials
inner join judged
    on judged.nct_id = trials.nct_id
where judged.modality <> 'small_molecule'
