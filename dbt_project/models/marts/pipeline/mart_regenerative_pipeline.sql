with trials as (
    select
        *,
        case phase
            when 'EARLY_PHASE1' then 'phase_1' when 'PHASE1' then 'phase_1' when 'PHASE1|PHASE2' then 'phase_1_2'
            when 'PHASE2' then 'phase_2' when 'PHASE2|PHASE3' then 'phase_3' when 'PHASE3' then 'phase_3'
        end as stage
    from {{ ref('int_regenerative_trial') }}
),

lineage as (
    select
        count(*) as n_trials,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids,
        cast(extract(year from max(published_on)) as int) as last_data_year
    from {{ ref('stg_trial') }}
),

worldwide as (
    select
        stage,
        product_kind,
        count(distinct nct_id) as n_trials
    from trials
    where stage is not null
    group by stage, product_kind
),

local as (
    select
        sites.country_iso3,
        trials.stage,
        trials.product_kind,
        count(distinct trials.nct_id) as n_trials,
        count(distinct case when trials.lead_sponsor_class = 'INDUSTRY' then trials.nct_id end) as n_trials_industry,
        count(distinct trials.lead_sponsor_name) as n_sponsors,
        count(*) as n_sites
    from trials
    inner join {{ ref('stg_trial_site') }} as sites
        on sites.nct_id = trials.nct_id
    where sites.country_iso3 is not null and trials.stage is not null
    group by sites.country_iso3, trials.stage, trials.product_kind
),

stages as (
    select 'phase_1' as stage union all select 'phase_1_2' union all select 'phase_2' union all select 'phase_3'
),

kinds as (
    select 'cell_therapy' as product_kind union all select 'gene_therapy' union all select 'tissue_product'
    union all select 'oncolytic_virus'
),

clinical as (
    select
        country.iso3 as country_iso3,
        kinds.product_kind,
        stages.stage,
        case when lineage.n_trials > 0 then coalesce(local.n_trials, 0) end as n_trials,
        case when lineage.n_trials > 0 then coalesce(local.n_trials_industry, 0) end as n_trials_industry,
        case when lineage.n_trials > 0 then coalesce(local.n_sponsors, 0) end as n_sponsors,
        case when lineage.n_trials > 0 then coalesce(local.n_sites, 0) end as n_sites,
        case when lineage.n_trials > 0 then coalesce(local.n_trials, 0) * 1.0 / nullif(worldwide.n_trials, 0) end
            as share_of_trials,
        cast(null as bigint) as n_approved,
        false as is_incomplete,
        case
            when lineage.n_trials = 0 then 'no_trials_at_hand'
            when worldwide.n_trials is null then 'no_such_trial'
        end as reason_code,
        'derived' as data_status,
        lineage.last_data_year,
        'regenerative_trial_by_name' as definition_ids,
        coalesce(lineage.source_codes, 'clinicaltrials') as source_codes,
        lineage.edition_ids
    from {{ source('vocabulary', 'country') }} as country
    cross join stages
    cross join kinds
    cross join lineage
    left join local
        on local.country_iso3 = country.iso3
        and local.stage = stages.stage
        and local.product_kind = kinds.product_kind
    left join worldwide
        on worldwide.stage = stages.stage
        and worldwide.product_kind = kinds.product_kind
    where country.is_focus and not country.is_aggregate
),

approved as (
    select
        market_iso3 as country_iso3,
        product_kind,
        'approved' as stage,
        cast(null as bigint) as n_trials,
        cast(null as bigint) as n_trials_industry,
        cast(null as bigint) as n_sponsors,
        cast(null as bigint) as n_sites,
        cast(null as double) as share_of_trials,
        n_approved,
        is_incomplete,
        cast(null as string) as reason_code,
        data_status,
        year as last_data_year,
        definition_ids,
        source_codes,
        edition_ids
    from {{ ref('mart_regenerative_approval') }}
    where
        basis = 'approved_by_day'
        and product_kind not in ('all', 'cord_blood')
        and as_of_date = (select max(as_of_date) from {{ ref('mart_regenerative_approval') }})
),

rows_of_mart as (
    select * from approved
    union all
    select * from clinical
)

select
    cast(country_iso3 as string) as country_iso3,
    cast(product_kind as string) as product_kind,
    cast(stage as string) as stage,
    cast(n_trials as int) as n_trials,
    cast(n_trials_industry as int) as n_trials_industry,
    cast(n_sponsors as int) as n_sponsors,
    cast(n_sites as int) as n_sites,
    cast(share_of_trials as double) as share_of_trials,
    cast(n_approved as int) as n_approved,
    is_incomplete,
    cast(reason_code as string) as reason_code,
    cast(data_status as string) as data_status,
    cast(last_data_year as int) as last_data_year,
    cast(definition_ids as string) as definition_ids,
    cast(source_codes as string) as source_codes,
    cast(edition_ids as string) as edition_ids
from rows_of_mart
order by
    case stage when 'approved' then 2 else 1 end desc nulls last,
    stage nulls last,
    product_kind nulls last,
    country_iso3 nulls last
