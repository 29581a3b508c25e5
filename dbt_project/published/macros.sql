-- Table macros that every release carries, for turns that analysts' queries take again and again.
-- Each statement makes one; they refer to published tables by schema and name.

-- search('imports vaccine'): tables, columns, publishers' columns, definitions, reviewed names (baskets, indicators, rule
-- sets, modalities, substances, companies) and sources that hold every word of a wording, in any order, whatever its case
-- and without the s of a plural. A publisher's column says which column of facts is read from it and which marts that
-- column feeds; column_name of a reviewed name is the id that rows of marts carry.
create macro catalog.search(wording) as table
    with sought as (
        select regexp_replace(word, '([a-z]{3,})s$', '\1') as word
        from unnest(string_split_regex(lower(trim(wording)), '\s+')) as part(word)
    ),
    found as (
        select 1 as place, 'table' as kind, schema_name, table_name, null as column_name, null as source_code,
            null as data_type, null as unit, description, table_name as name
        from catalog.tables
        union all
        select 2, 'column', schema_name, table_name, column_name, null, data_type, unit, description, column_name
        from catalog.columns
        union all
        select 3, 'publisher_column', 'facts', fact_table, fact_column, source_code, null, null,
            publisher_column || ' feeds ' || string_agg(distinct mart_name || '.' || mart_column, ', '
                order by mart_name || '.' || mart_column),
            publisher_column
        from catalog.source_to_mart
        where publisher_column is not null
        group by source_code, publisher_column, fact_table, fact_column
        union all
        select 4, 'definition', 'vocabulary', 'definition', definition_id, null, null, null,
            title || ': ' || sentence, definition_id
        from vocabulary.definition
        union all
        select 5, 'basket', 'vocabulary', 'commodity_basket', basket_id, null, null, null, title || ': ' || sentence, basket_id
        from vocabulary.commodity_basket
        union all
        select 5, 'indicator', 'vocabulary', 'indicator', indicator_id, null, null, unit, title || ': ' || sentence,
            indicator_id
        from vocabulary.indicator
        union all
        select 5, 'rule_set', 'vocabulary', 'modality_ruleset', ruleset_id, null, null, null, title || ': ' || sentence,
            ruleset_id
        from vocabulary.modality_ruleset
        union all
        select 5, 'modality', 'vocabulary', 'modality', modality, null, null, null,
            concat_ws(': ', concat_ws(', ', title, title_ja), description), modality
        from vocabulary.modality
        union all
        select 6, 'substance', 'vocabulary', 'substance', substance_id, null, null, null,
            concat_ws(', ', name_en, name_ja, modality), substance_id
        from vocabulary.substance
        union all
        select 6, 'company', 'vocabulary', 'company', company_id, null, null, null,
            concat_ws(', ', name_en, name_ja, hq_iso3), company_id
        from vocabulary.company
        union all
        select 7, 'source', null, null, null, source_code, null, null,
            publisher || ': ' || title || '. ' || description, source_code
        from catalog.sources
    ),
    -- A publisher's column is found by its own name, not by the marts that it feeds.
    read as (
        select *, lower(name) as name_text,
            lower(concat_ws(' ', name, case when kind <> 'publisher_column' then description end)) as whole_text
        from found
    )
    select kind, schema_name, table_name, column_name, source_code, data_type, unit, description
    from read
    where not exists (from sought where not contains(whole_text, word))
    order by place, exists (from sought where not contains(name_text, word)), schema_name = 'marts' desc, schema_name,
        table_name, column_name, source_code;

-- in_currency('JPY', 'USD'): average rates by calendar year, as units of the second currency for one of the first.
-- Multiply a flow of that year by `rate`. Rates of the ECB by way of the euro; a year under way is provisional.
create macro marts.in_currency(from_currency, to_currency) as table
    with euro as (
        select area_code as currency, period_start, value, status, source_code, edition_id
        from facts.reference_rate
        where series_code = 'fx' and rate_basis = 'period_average' and counter_code = 'EUR'
            and period_basis = 'calendar_year'
        union all
        select distinct 'EUR', period_start, 1.0, status, source_code, edition_id
        from facts.reference_rate
        where series_code = 'fx' and rate_basis = 'period_average' and counter_code = 'EUR'
            and period_basis = 'calendar_year' and area_code = 'USD'
    )
    select year(f.period_start) as year, from_currency as from_currency, to_currency as to_currency,
        t.value / f.value as rate, f.status as data_status, f.source_code, f.edition_id
    from euro as f
    inner join euro as t on t.period_start = f.period_start and t.currency = to_currency
    where f.currency = from_currency
    order by 1;

-- per_capita('JPN'): population by year; divide a yearly figure of the country by `population`. The bundled edition has
-- none: then one row says so, and `biopharma fetch worldbank_wdi` brings it.
create macro marts.per_capita(country) as table
    with known as (
        select year(period_start) as year, value as population, status, source_code, edition_id
        from facts.reference_rate
        where series_code = 'population' and area_kind = 'country' and area_code = country and value > 0
    )
    select country as country_iso3, year, population, 1 / population as per_capita_factor, null as reason_code,
        status as data_status, source_code, edition_id
    from known
    union all
    select country, null, null, null, 'population_not_at_hand', null, null, null
    where not exists (from known)
    order by 2;

-- real_growth('JPN', 2014, 2019): growth a year of pharmaceutical business R&D in constant international dollars of
-- 2015, which within a country is growth in constant national prices. Null with the reason where an end is missing or
-- the series breaks in between.
create macro marts.real_growth(country, first_year, last_year) as table
    with series as (
        select year, rnd_usd_ppp_2015 as value, series_break, is_usable
        from marts.mart_rnd_level
        where country_iso3 = country and basis = 'international_statistics' and is_headline_series
            and year between first_year and last_year
    ),
    ends as (
        select max(value) filter (year = first_year and is_usable) as first_value,
            max(value) filter (year = last_year and is_usable) as last_value,
            coalesce(bool_or(series_break and year > first_year), false) as has_break
        from series
    )
    select country as country_iso3, first_year as first_year, last_year as last_year,
        case when not has_break and last_year > first_year
            then power(last_value / nullif(first_value, 0), 1.0 / (last_year - first_year)) - 1 end as real_growth_share,
        case when last_year <= first_year then 'no_window' when has_break then 'series_break'
            when first_value is null or last_value is null then 'end_missing' end as reason_code
    from ends;

-- as_of(date '2021-12-31'): for each source, table and part the edition that was the latest on a day.
-- A warehouse as of that day: biopharma run --as-of 2021-12-31.
create macro quality.as_of(day) as table
    select *
    from quality.edition
    where published_on <= day
    qualify row_number() over (
        partition by source_code, table_name, edition_partition order by published_on desc, is_bundled, edition_id desc
    ) = 1
    order by source_code, table_name, edition_partition;

-- explain('mart_rnd_level', 'rnd_usd_ppp_2015'): from which columns a figure's column follows, the mart first: formula
-- in words, the columns whose values enter it, and those that decide which do. The rows behind one figure, down to the
-- publishers' cells: biopharma explain mart_rnd_level --column rnd_usd_ppp_2015 --where "...".
create macro catalog.explain(mart, figure_column) as table
    with recursive chain as (
        select 0 as depth, 'marts.' || mart as relation_name, cast(figure_column as varchar) as column_name
        union
        select chain.depth + 1, regexp_extract(part.name, '^(.*)[.][^.]*$', 1), regexp_extract(part.name, '[^.]*$')
        from chain
        inner join catalog.lineage as step
            on step.relation_name = chain.relation_name and step.column_name = chain.column_name
        cross join unnest(string_split(step.value_columns, ',')) as part(name)
        where part.name <> ''
    )
    select chain.depth, chain.relation_name, chain.column_name, step.formula, step.condition_columns as decided_by,
        coalesce(described.description, json_extract_string(model.column_descriptions, '$."' || chain.column_name || '"'))
            as description,
        described.unit
    from (select max(depth) as depth, relation_name, column_name from chain group by all) as chain
    left join catalog.lineage as step
        on step.relation_name = chain.relation_name and step.column_name = chain.column_name
    left join catalog.columns as described
        on described.schema_name || '.' || described.table_name = chain.relation_name
        and described.column_name = chain.column_name
    left join catalog.models as model
        on model.schema_name || '.' || model.table_name = chain.relation_name
    order by chain.depth, chain.relation_name, chain.column_name;
