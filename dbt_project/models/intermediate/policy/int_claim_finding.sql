-- What the data say on every statement, as one English sentence put together from the figures, and the query on the
-- published warehouse that leads to the rows behind it.
with claims as (
    select * from {{ ref('int_seed_claim') }}
),

evidence as (
    select * from {{ ref('int_claim_evidence') }}
),

-- Top 100: the study's counts by year, and other rankings.
counts as (
    select
        claim_id,
        definition_id,
        cast(period_label as int) as year,
        figure,
        is_context
    from {{ ref('int_evidence_top_products') }}
    where figure_unit = 'count' and period_label not like '%-%'
),

study_counts as (
    select
        claim_id,
        max(case when not is_context then year end) as year,
        max(case when not is_context then figure end) as figure,
        {{ ordered_list("case when is_context then cast(cast(figure as int) as string) || ' in ' || cast(year as string) end",
            'year', ', ') }} as others
    from counts
    where definition_id = 'top100_opir_iqvia'
    group by claim_id
),

other_counts as (
    select
        claim_id,
        {{ ordered_list("cast(cast(figure as int) as string) || ' for ' || cast(year as string)", 'year', ', ') }}
            as others
    from counts
    where definition_id <> 'top100_opir_iqvia'
    group by claim_id
),

count_sentences as (
    select
        claims.claim_id,
        'By OPIR''s rule on IQVIA sales at manufacturers'' list prices '
        || cast(cast(study_counts.figure as int) as string) || ' of the 100 best-selling medicines of '
        || cast(study_counts.year as string) || ' were biologics'
        || coalesce(' (' || study_counts.others || ')', '') || ', '
        || cast(cast(abs(claims.value_stated - study_counts.figure) as int) as string)
        || case when study_counts.figure < claims.value_stated then ' fewer' else ' more' end || ' than stated'
        || coalesce('; a ranking by company reports counts ' || other_counts.others
            || ' that are no small molecules', '') || '.' as finding_en,
        'select * from facts.claim where metric in (''count_top100_biologic'', ''count_top100_non_small_molecule'')'
            as evidence_key
    from claims
    inner join study_counts
        on study_counts.claim_id = claims.claim_id
    left join other_counts
        on other_counts.claim_id = claims.claim_id
    where claims.test_kind = 'count_top100' and study_counts.figure is not null
),

sales_shares as (
    select
        {{ ordered_list(text_stated_percent('value_stated') ~ " || ' in ' || reference_period", 'reference_period', ' and ') }}
            as shares
    from {{ ref('stg_claim') }}
    where metric = 'share_top100_sales_biologic'
),

yearly_counts as (
    select
        cast({{ regexp_part('reference_period', '((?:19|20)[0-9][0-9])') }} as int) as year,
        max(value_stated) as figure
    from {{ ref('stg_claim') }}
    where metric = 'count_top100_biologic' and claim_kind = 'study_result' and claimant like '%OPIR%'
    group by cast({{ regexp_part('reference_period', '((?:19|20)[0-9][0-9])') }} as int)
),

world_sentences as (
    select
        claims.claim_id,
        'OPIR counts '
        || cast(cast(first_count.figure as int) as string) || ' biologics among the 100 best-selling medicines of '
        || cast(first_count.year as string) || ' and ' || cast(cast(last_count.figure as int) as string) || ' of '
        || cast(last_count.year as string)
        || coalesce('; biologics made ' || sales_shares.shares || ' of the sales of the 100', '')
        || '. A series for the whole world market is not public.' as finding_en,
        'select * from facts.claim where metric in (''count_top100_biologic'', ''share_top100_sales_biologic'')'
            as evidence_key
    from claims
    inner join evidence
        on evidence.claim_id = claims.claim_id
    inner join yearly_counts as first_count
        on cast(first_count.year as string) = substring(evidence.period_label, 1, 4)
    inner join yearly_counts as last_count
        on cast(last_count.year as string) = substring(evidence.period_label, 6, 4)
    cross join sales_shares
    where claims.test_kind = 'world_direction'
),

-- Sales in Japan.
japan_sales as (
    select
        *,
        count(*) over (partition by claim_id, definition_id) as n_rulesets,
        count(case when figure > 0 then 1 end) over (partition by claim_id, definition_id) as n_rising,
        min(figure) over (partition by claim_id, definition_id) as growth_low,
        max(figure) over (partition by claim_id, definition_id) as growth_high
    from {{ ref('int_evidence_japan_sales') }}
),

japan_sales_sentences as (
    select
        japan_sales.claim_id,
        'Sales of biologics at list prices (' || definition.title || ') went from '
        || {{ text_jpy_bn('japan_sales.sales_first') }} || ' in FY' || cast(japan_sales.first_year as string) || ' to '
        || {{ text_jpy_bn('japan_sales.sales_last') }} || ' in FY' || cast(japan_sales.last_year as string) || ' ('
        || {{ text_rate('japan_sales.figure') }} || ', rule set ' || japan_sales.label || '); they rose under '
        || cast(japan_sales.n_rising as string) || ' of ' || cast(japan_sales.n_rulesets as string)
        || ' rule sets, by ' || {{ text_rate('japan_sales.growth_low') }} || ' to '
        || {{ text_rate('japan_sales.growth_high') }} || '.' as finding_en,
        'select * from marts.mart_market_biologic_share where row_level = ''biologics_total'' and scope_id = '''
        || japan_sales.definition_id || '''' as evidence_key
    from japan_sales
    inner join {{ source('vocabulary', 'definition') }} as definition
        on definition.definition_id = japan_sales.definition_id
    where japan_sales.is_headline_ruleset
),

-- Overseas manufacturing.
overseas as (
    select
        claim_id,
        max(case when basis = 'opir_2015_study' and measure = 'weight' then value_low end) as study_weight,
        max(case when basis = 'opir_2015_study' and measure = 'value' then value_low end) as study_value,
        max(case when basis = 'opir_2015_study' then year end) as study_year,
        max(case when is_headline_ruleset and scope_id = 'ndb_all_routes' and measure = 'value' then value_low end) as own_low,
        max(case when is_headline_ruleset and scope_id = 'ndb_all_routes' and measure = 'value' then value_high end) as own_high,
        max(case when is_headline_ruleset and scope_id = 'ndb_all_routes' and measure = 'value' then coverage_share end) as own_coverage,
        max(case when is_headline_ruleset and scope_id = 'ndb_all_routes' and measure = 'value' then year end) as own_year,
        max(case when is_headline_ruleset and scope_id = 'ndb_all_routes' and measure = 'value' then ruleset_id end) as own_ruleset,
        max(case when is_headline_ruleset and scope_id = 'ndb_all_routes' and measure = 'value' then evidence_grade end) as own_grades,
        max(case when ruleset_id = 'antibodies_only' and scope_id = 'ndb_all_routes' and measure = 'weight' then value_low end)
            as antibody_low,
        max(case when ruleset_id = 'antibodies_only' and scope_id = 'ndb_all_routes' and measure = 'weight' then value_high end)
            as antibody_high,
        max(case when ruleset_id = 'antibodies_only' and scope_id = 'ndb_all_routes' and measure = 'weight' then weight_kg end)
            as antibody_kg,
        max(case when ruleset_id = 'antibodies_only' and scope_id = 'ndb_all_routes' and measure = 'weight'
            then coverage_share end) as antibody_coverage
    from {{ ref('int_evidence_overseas') }}
    group by claim_id
),

overseas_sentences as (
    select
        claim_id,
        'In OPIR''s study ' || {{ text_percent('study_weight') }} || ' by weight and ' || {{ text_percent('study_value') }}
        || ' by value of the antibodies sold in Japan in ' || cast(study_year as string) || ' were made overseas'
        || coalesce(
            '; for all biologics of FY' || cast(own_year as string) || ' public site evidence covers '
            || {{ text_percent('own_coverage') }} || ' of the sales (rule set ' || own_ruleset || ')'
            || case
                when own_grades = 'E'
                    then ', all of it recorded for other markets; if those sites serve Japan too, the share lies between '
                else ', and the share lies between '
            end
            || {{ text_percent('own_low') }} || ' and ' || {{ text_percent('own_high') }}
            || case when own_grades = 'E' then ', and without that assumption nothing bounds it' else '' end,
            ''
        )
        || coalesce(
            '; of the ' || {{ text_number('antibody_kg') }} || ' kg of antibodies in that year''s claims sites are known for '
            || {{ text_percent('antibody_coverage') }} || ', on the same assumption between '
            || {{ text_percent('antibody_low') }} || ' and ' || {{ text_percent('antibody_high') }} || ' are made overseas',
            ''
        ) || '.' as finding_en,
        'select * from marts.mart_overseas_manufacturing_share where market_iso3 = ''JPN'' and modality = ''all'''
            as evidence_key
    from overseas
    where study_weight is not null and study_value is not null
),

-- Research spending: one country, or a group of countries.
rnd as (
    select
        *,
        row_number() over (partition by claim_id, is_after order by figure desc, label) as rank_down,
        row_number() over (partition by claim_id, is_after order by figure, label) as rank_up
    from {{ ref('int_evidence_rnd') }}
),

rnd_summary as (
    select
        claim_id,
        count(case when not is_after then 1 end) as n,
        count(case when not is_after and value_low > 0 then 1 end) as n_rising,
        count(case when not is_after and value_low = 0 then 1 end) as n_flat,
        count(case when not is_after and value_low < 0 then 1 end) as n_falling,
        count(case when is_after then 1 end) as n_after,
        count(case when is_after and value_low > 0 then 1 end) as n_after_rising,
        max(case when not is_after then period_label end) as window_label,
        max(case when is_after then period_label end) as after_label,
        max(case when not is_after then label end) as any_country,
        max(case when not is_after then country_iso3 end) as any_iso3,
        max(case when not is_after then figure end) as single_figure,
        max(case when is_after then figure end) as single_after,
        {{ ordered_list("case when not is_after and is_focus and value_low > 0 then label || ' ' || "
            ~ text_rate('figure') ~ " end", 'figure desc', ', ') }} as focus_rising,
        {{ ordered_list("case when not is_after and value_low < 0 then label || ' ' || " ~ text_rate('figure') ~ " end",
            'figure', ', ') }} as falling
    from rnd
    group by claim_id
),

long_window as (
    select country_iso3, cagr_real, window_id, first_year
    from {{ ref('mart_rnd_growth') }}
    where is_headline_series and activity_code = 'C21' and is_comparable and window_id <> 'last_five'
),

long_before as (
    select
        claims.claim_id,
        long_window.window_id,
        long_window.cagr_real,
        row_number() over (partition by claims.claim_id order by long_window.first_year) as choice
    from claims
    inner join rnd_summary
        on rnd_summary.claim_id = claims.claim_id
        and rnd_summary.n = 1
    inner join long_window
        on long_window.country_iso3 = rnd_summary.any_iso3
        and long_window.window_id <> rnd_summary.window_label
        and substring(long_window.window_id, 6, 4) = substring(rnd_summary.window_label, 6, 4)
),

rnd_sentences as (
    select
        rnd_summary.claim_id,
        case
            when rnd_summary.n = 1 then
                'Business R&D of the pharmaceutical industry in ' || rnd_summary.any_country || ' changed by '
                || {{ text_rate('rnd_summary.single_figure') }} || ' in ' || rnd_summary.window_label
                || coalesce(' and by ' || {{ text_rate('rnd_summary.single_after') }} || ' in ' || rnd_summary.after_label, '')
                || coalesce(' (' || long_before.window_id || ': ' || {{ text_rate('long_before.cagr_real') }} || ')', '')
                || ', in constant national prices.'
            else
                'Business R&D of the pharmaceutical industry in constant national prices rose in '
                || cast(rnd_summary.n_rising as string) || ' of ' || cast(rnd_summary.n as string)
                || ' Western countries with a whole series in ' || rnd_summary.window_label
                || coalesce(' (' || rnd_summary.focus_rising || ')', '')
                || ', was flat in ' || cast(rnd_summary.n_flat as string)
                || ' and fell in ' || cast(rnd_summary.n_falling as string)
                || coalesce(' (' || rnd_summary.falling || ')', '')
                || coalesce('; in ' || rnd_summary.after_label || ' it rose in '
                    || cast(rnd_summary.n_after_rising as string) || ' of ' || cast(rnd_summary.n_after as string), '')
                || '.'
        end as finding_en,
        'select * from marts.mart_rnd_growth where is_headline_series and activity_code = ''C21'''
        || ' and country_iso3 in (''' || replace(claims.country_iso3s, ',', ''', ''') || ''') and window_id in ('''
        || rnd_summary.window_label || '''' || coalesce(', ''' || rnd_summary.after_label || '''', '') || ')'
            as evidence_key
    from rnd_summary
    inner join claims
        on claims.claim_id = rnd_summary.claim_id
    left join long_before
        on long_before.claim_id = rnd_summary.claim_id
        and long_before.choice = 1
    where rnd_summary.n > 0
),

-- Origin of the top 100.
origin as (
    select
        claim_id,
        max(period_label) as year,
        max(japan_products) as japan_products,
        max(japan_biologics) as japan_biologics,
        {{ ordered_list("cast(cast(n_biologics as int) as string) || ' of ' || cast(cast(n_products as int) as string)"
            ~ " || ' of ' || origin || ' origin'", 'origin', ', ') }} as others
    from {{ ref('int_evidence_origin') }}
    group by claim_id
),

origin_shares as (
    select
        {{ ordered_list(text_stated_percent('value_stated') ~ " || ' in ' || reference_period", 'reference_period', ' and ') }}
            as shares
    from {{ ref('stg_claim') }}
    where metric = 'share_top100_sales_origin' and population like '%Japanese%'
),

-- What stands beside it: sales by originator, and patents.
beside_origin as (
    select
        claim_id,
        max(case when series_id = 'ndb_all_routes' then value_low end) as japan_low,
        max(case when series_id = 'ndb_all_routes' then value_high end) as japan_high,
        max(case when series_id = 'ndb_all_routes' then period_label end) as japan_year,
        max(case when series_id = 'medicare_part_b' then value_low end) as us_low,
        max(case when series_id = 'medicare_part_b' then value_high end) as us_high,
        max(case when series_id = 'medicare_part_b' then period_label end) as us_year,
        max(case when series_id = 'patents' then figure end) as patent_share,
        max(case when series_id = 'patents' then second_figure end) as patent_rta,
        max(case when series_id = 'patents' then period_label end) as patent_years
    from {{ ref('int_evidence_development') }}
    group by claim_id
),

origin_sentences as (
    select
        origin.claim_id,
        'Of the ' || cast(cast(origin.japan_products as int) as string) || ' medicines of Japanese origin among the top 100 of '
        || origin.year || ', ' || cast(cast(origin.japan_biologics as int) as string) || ' were biologics, against '
        || origin.others
        || coalesce('; medicines of Japanese origin made ' || origin_shares.shares || ' of the sales of the top 100', '')
        || coalesce('. Substances found in Japan made ' || {{ text_percent('beside_origin.japan_low') }} || ' to '
            || {{ text_percent('beside_origin.japan_high') }} || ' of the sales of biologics in Japan''s own insurance in '
            || beside_origin.japan_year, '')
        || coalesce(' and ' || {{ text_percent('beside_origin.us_low') }} || ' to '
            || {{ text_percent('beside_origin.us_high') }} || ' of those in Medicare Part B in ' || beside_origin.us_year, '')
        || coalesce('; inventors in Japan had ' || {{ text_percent('beside_origin.patent_share') }}
            || ' of the patent families in biotechnology in ' || beside_origin.patent_years || ', '
            || {{ format_decimals('beside_origin.patent_rta', 2) }} || ' times their share in all fields', '')
        || '.' as finding_en,
        'select * from facts.claim where metric in (''count_top100_origin'', ''count_top100_origin_biologic'','
        || ' ''share_top100_sales_origin'')' as evidence_key
    from origin
    cross join origin_shares
    left join beside_origin
        on beside_origin.claim_id = origin.claim_id
),

-- Contract manufacturing.
cdmo_size as (
    select
        claim_id,
        max(case when not is_context then period_label end) as year,
        max(case when definition_id = 'listed_cdmo_perimeters' then figure end) as revenue_jpy,
        max(case when not is_context then named end) as named,
        max(case when not is_context then n_items end) as n_items,
        min(case when not is_context then value_low end) as back_low,
        max(case when not is_context then value_high end) as back_high,
        {{ ordered_list("case when is_context then " ~ text_jpy_bn('figure') ~ " || ' in ' || period_label end",
            'period_label', ', ') }} as carried
    from {{ ref('int_evidence_cdmo') }}
    where definition_id in ('listed_cdmo_perimeters', 'arithmetic_of_claim', 'fx_period_average')
    group by claim_id
),

cdmo_size_sentences as (
    select
        claims.claim_id,
        cdmo_size.named || ' alone reported ' || {{ text_jpy_bn('cdmo_size.revenue_jpy') }} || ' for ' || cdmo_size.year
        || '. For the size and the rate of growth to hold together, the market of the base year would have to have been '
        || {{ text_jpy_bn('cdmo_size.back_low') }} || ' (at the exchange rates of the base year) to '
        || {{ text_jpy_bn('cdmo_size.back_high') }} || ' (at those of ' || cdmo_size.year || ') or more, against '
        || {{ text_jpy_bn('claims.value_stated') }} || ' stated: the size or the rate was too low, or the statement counts'
        || ' fewer services'
        || coalesce('; Fujifilm''s earlier estimate carried on at its own rate gives ' || cdmo_size.carried, '')
        || '.' as finding_en,
        'select * from marts.mart_cdmo_market_projection where size_claim_id = ''' || claims.claim_id || ''''
            as evidence_key
    from claims
    inner join cdmo_size
        on cdmo_size.claim_id = claims.claim_id
    where claims.test_kind = 'cdmo_size' and cdmo_size.revenue_jpy is not null
),

cdmo_growth as (
    select
        claim_id,
        {{ ordered_list("label || ' ' || " ~ text_rate('figure') ~ " || ' in ' || period_label", 'label', ', ') }} as grown
    from {{ ref('int_evidence_cdmo') }}
    where figure_unit = 'share_per_year'
    group by claim_id
),

cdmo_path as (
    select
        growth_claim_id as claim_id,
        min(base_jpy) as base_jpy,
        max(growth_share_per_year) as growth_share_per_year,
        max(case when years_from_base = 10 then market_jpy end) as after_ten_years
    from {{ ref('mart_cdmo_market_projection') }}
    group by growth_claim_id
),

cdmo_growth_sentences as (
    select
        claims.claim_id,
        'The words imply ' || {{ text_jpy_bn('cdmo_path.base_jpy') }} || ' growing to '
        || {{ text_jpy_bn('cdmo_path.after_ten_years') }} || ' in ten years, which is arithmetic and no evidence'
        || coalesce('. Growth of the companies with two years in one perimeter, in their own currencies: ' || cdmo_growth.grown
            || '; two companies are no market, and the ten years have not passed', '') || '.' as finding_en,
        'select * from marts.mart_cdmo_market_projection where growth_claim_id = ''' || claims.claim_id || ''''
            as evidence_key
    from claims
    inner join cdmo_path
        on cdmo_path.claim_id = claims.claim_id
    left join cdmo_growth
        on cdmo_growth.claim_id = claims.claim_id
    where claims.test_kind = 'cdmo_growth'
),

cdmo_leaders as (
    select
        claim_id,
        {{ ordered_list("case when definition_id = 'third_party_shares' then label || ' ' || " ~ text_stated_percent('figure')
            ~ " end", 'figure desc', ', ') }} as printed,
        max(case when definition_id = 'listed_cdmo_perimeters' then n_items end) as n_deals,
        max(case when definition_id = 'listed_cdmo_perimeters' then named end) as first_target
    from {{ ref('int_evidence_cdmo') }}
    where definition_id in ('third_party_shares', 'listed_cdmo_perimeters')
    group by claim_id
),

cdmo_leaders_sentences as (
    select
        claims.claim_id,
        'A government slide of 2024 prints these shares, without market or year: ' || cdmo_leaders.printed
        || coalesce('; purchases of contract manufacturers by Fujifilm before 2021 in the table of deals: '
            || cast(cdmo_leaders.n_deals as string) || ' (' || cdmo_leaders.first_target || ')', '') || '.' as finding_en,
        'select * from marts.mart_cdmo_landscape where metric = ''market_share''' as evidence_key
    from claims
    inner join cdmo_leaders
        on cdmo_leaders.claim_id = claims.claim_id
    where claims.test_kind = 'cdmo_leaders' and cdmo_leaders.printed is not null
),

regenerative_sentences as (
    select
        claims.claim_id,
        'A list that METI publishes is reported at second hand to name '
        || cast(cast(max(case when evidence.definition_id = 'not_checkable' then evidence.figure end) as int) as string)
        || ' contract manufacturers of regenerative products; documents at hand name '
        || {{ text_count("max(case when evidence.definition_id = 'regenerative_register_entry' then evidence.figure end)") }}
        || ' with their sites in Japan'
        || coalesce(
            '. By ' || max(case when evidence.definition_id = 'regenerative_product_by_agency' then evidence.period_label end)
            || ' Japan had approved '
            || {{ text_count("max(case when evidence.label = 'Approved products, MHLW' then evidence.figure end)") }}
            || ' such products, the European Union '
            || {{ text_count("max(case when evidence.label = 'Approved products, EMA' then evidence.figure end)") }}
            || ' and the United States '
            || {{ text_count("max(case when evidence.label = 'Approved products, FDA' then evidence.figure end)") }},
            ''
        )
        || '. Neither list is a census of makers, and nothing says how many would be few.' as finding_en,
        'select * from marts.mart_regenerative_cdmo_register' as evidence_key
    from claims
    inner join evidence
        on evidence.claim_id = claims.claim_id
    where claims.test_kind = 'regenerative_count'
    group by claims.claim_id
    having max(case when evidence.definition_id = 'not_checkable' then evidence.figure end) is not null
),

-- Smart cells: nearest statistics, and that there is none of smart cells.
smart_cell_sentences as (
    select
        claim_id,
        'No public series measures smart cells. Biotechnology R&D of business outside pharmaceuticals, an upper bound of'
        || ' white biotechnology, was '
        || {{ ordered_list(
            text_percent('figure') ~ " || ' of all of it in ' || country_iso3 || ' (' || cast(year as string) || ')'",
            'country_iso3', ' and '
        ) }}
        || '; importance is a judgement that no figure decides.' as finding_en,
        'select * from marts.mart_white_biotechnology' as evidence_key
    from {{ ref('int_evidence_smart_cell') }}
    group by claim_id
),

-- Diagnostics, and makers of investigational products: the nearest figures, and what they are not.
diagnostics_sentences as (
    select
        claim_id,
        'Japan made in vitro diagnostics worth ' || {{ text_jpy_bn('max(second_figure)') }} || ' in ' || max(period_label)
        || ', ' || {{ text_percent('max(figure)') }} || ' of all medicines made there, the last year at hand; that says where'
        || ' final products were made, not whose developments they were or how they sold. Of trade in diagnostic reagents'
        || ' (HS 3822) no figure of Japan is at hand.' as finding_en,
        'select * from marts.mart_diagnostics' as evidence_key
    from {{ ref('int_evidence_development') }}
    where series_id = 'production'
    group by claim_id
),

investigational_sentences as (
    select
        claim_id,
        'Documents at hand state of Japan, for contract manufacturing, '
        || {{ ordered_list(text_count('figure') ~ " || ' litres of bioreactors ' || replace(series_id, '_', ' ')", 'series_id',
            ' and ') }}
        || case when max(case when series_id = 'in_operation' then 1 else 0 end) = 0 then ', and none in operation' else '' end
        || '. They name no scale of batches and no clients, and what they do not name may exist.' as finding_en,
        'select * from marts.mart_cdmo_capacity where country_iso3 = ''JPN''' as evidence_key
    from {{ ref('int_evidence_development') }}
    where definition_id = 'cdmo_capacity_as_documented'
    group by claim_id
),

sentences as (
    select * from count_sentences
    union all
    select * from world_sentences
    union all
    select * from japan_sales_sentences
    union all
    select * from overseas_sentences
    union all
    select * from rnd_sentences
    union all
    select * from origin_sentences
    union all
    select * from cdmo_size_sentences
    union all
    select * from cdmo_growth_sentences
    union all
    select * from cdmo_leaders_sentences
    union all
    select * from regenerative_sentences
    union all
    select * from smart_cell_sentences
    union all
    select * from diagnostics_sentences
    union all
    select * from investigational_sentences
)

select
    claims.claim_id,
    coalesce(sentences.finding_en, 'No figure in the warehouse speaks to this statement.') as finding_en,
    coalesce(
        sentences.evidence_key, 'select * from facts.claim where claim_id = ''' || claims.claim_id || ''''
    ) as evidence_key
from claims
left join sentences
    on sentences.claim_id = claims.claim_id
