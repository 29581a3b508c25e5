with ranked as (
    select
        *,
        case
            when is_usable and rnd_usd_ppp is not null
                then rank() over (
                    partition by basis, series_source, lens, activity_code, criteria, measure, year, is_usable
                    order by rnd_usd_ppp desc nulls last
                )
        end as rank_among_reported,
        count(case when is_usable then rnd_usd_ppp end) over (
            partition by basis, series_source, lens, activity_code, criteria, measure, year
        ) as n_reported
    from {{ ref('int_rnd_series') }}
),

survey as (
    select
        country_iso3,
        lens,
        activity_code,
        year,
        rnd_lcu,
        source_code,
        edition_id
    from {{ ref('int_rnd_series') }}
    where basis = 'national_survey' and series_source = '{{ var('reference_survey_source') }}'
)

select
    cast(ranked.country_iso3 as string) as country_iso3,
    cast(country.name_en as string) as country_name_en,
    country.is_focus,
    cast(ranked.year as int) as year,
    cast(ranked.period_basis as string) as period_basis,
    cast(ranked.basis as string) as basis,
    cast(ranked.series_source as string) as series_source,
    ranked.is_headline_series,
    cast(ranked.lens as string) as lens,
    cast(ranked.activity_code as string) as activity_code,
    cast(ranked.criteria as string) as criteria,
    cast(ranked.measure as string) as measure,
    cast(ranked.rnd_usd_ppp as double) as rnd_usd_ppp,
    cast(ranked.rnd_usd_ppp_constant as double) as rnd_usd_ppp_2015,
    cast(ranked.rnd_lcu as double) as rnd_lcu,
    cast(ranked.ppp_lcu_per_usd as double) as ppp_lcu_per_usd,
    cast(ranked.deflator_index as double) as deflator_index_2015,
    cast(ranked.share_gdp as double) as share_gdp,
    cast(case when ranked.basis = 'international_statistics' then ranked.rank_among_reported end as int) as rank_among_reported,
    cast(case when ranked.basis = 'international_statistics' then ranked.n_reported end as int) as n_reported,
    cast(survey.rnd_lcu as double) as national_survey_lcu,
    cast(ranked.rnd_lcu / nullif(survey.rnd_lcu, 0) as double) as ratio_to_national_survey,
    ranked.is_usable,
    cast(ranked.unusable_reason as string) as reason_code,
    ranked.series_break,
    cast(ranked.publisher_flags as string) as publisher_flags,
    -- Amounts are worked out with a purchasing power parity; a share of GDP is the publisher's own.
    cast(case
        when ranked.basis = 'gdp_share' then ranked.status
        else {{ worse_status(['ranked.status', "'derived'"]) }}
    end as string) as data_status,
    cast(max(ranked.year) over (
        partition by ranked.basis, ranked.series_source, ranked.country_iso3, ranked.lens, ranked.activity_code, ranked.measure
    ) as int) as last_data_year,
    cast(case ranked.basis
        when 'international_statistics' then 'lens_territory,main_activity,ppp_2015_constant,ppp_current'
        when 'national_survey' then 'lens_territory,national_survey,ppp_2015_constant,ppp_current'
        else 'gerd_gdp,lens_territory'
    end as string) as definition_ids,
    cast({{ merge_lists([
        'ranked.source_code', 'ranked.ppp_source_code', 'ranked.deflator_source_code', 'survey.source_code'
    ]) }} as string) as source_codes,
    cast({{ merge_lists([
        'ranked.edition_id', 'ranked.ppp_edition_id', 'ranked.deflator_edition_id', 'survey.edition_id'
    ]) }} as string) as edition_ids
from ranked
left join {{ source('vocabulary', 'country') }} as country
    on country.iso3 = ranked.country_iso3
left join survey
    on survey.country_iso3 = ranked.country_iso3
    and survey.lens = ranked.lens
    and survey.activity_code = ranked.activity_code
    and survey.year = ranked.year
    and ranked.is_headline_series
where ranked.rnd_usd_ppp is not null or ranked.rnd_lcu is not null or ranked.share_gdp is not null
order by
    ranked.activity_code nulls last,
    ranked.basis nulls last,
    ranked.series_source nulls last,
    ranked.year desc nulls last,
    ranked.rnd_usd_ppp desc nulls last,
    ranked.share_gdp desc nulls last,
    ranked.country_iso3 nulls last
