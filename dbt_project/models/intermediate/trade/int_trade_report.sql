-- Reports of imports and exports in the commodities of the baskets as sums of calendar years, each publisher and
-- revision apart. Months are added up; codes without a named revision are read by the one in force in the year; a
-- reconciled export is also the partner's import.
-- A list of a group costs more than its sum, and nearly every sum has one valuation and one edition: lists are made of
-- the others only.
{%- set key = [
    'publisher', 'year', 'reporter_iso3', 'partner_iso3', 'hs_revision_as_published', 'hs_code', 'flow', 'is_reconciled'
] %}
with basket_codes as (
    select distinct hs_code
    from {{ source('vocabulary', 'commodity_basket_code') }}
),

sides as (
    select true as is_reporter
    union all
    select false as is_reporter
),

both_sides as (
    select
        published.publisher,
        published.year,
        case when sides.is_reporter then published.reporter_iso3 else published.partner_iso3 end as reporter_iso3,
        case when sides.is_reporter then published.partner_iso3 else published.reporter_iso3 end as partner_iso3,
        published.hs_revision_as_published,
        published.hs_code,
        case when sides.is_reporter then published.flow else 'import' end as flow,
        published.is_reconciled,
        published.valuation,
        published.value_usd,
        published.status,
        published.source_code,
        published.edition_id
    from {{ ref('int_trade_published') }} as published
    inner join basket_codes
        on basket_codes.hs_code = published.hs_code
    cross join sides
    where sides.is_reporter or published.is_import_too
),

parts as (
    select
        {{ key | join(', ') }},
        valuation,
        source_code,
        edition_id,
        sum(value_usd) as value_usd,
        {{ worst_status('status', at_least='reported') }} as data_status
    from both_sides
    group by {{ key | join(', ') }}, valuation, source_code, edition_id
),

by_year as (
    select
        {{ key | join(', ') }},
        count(*) as n_parts,
        sum(value_usd) as value_usd,
        min(valuation) as valuations,
        {{ worst_status('data_status', at_least='reported') }} as data_status,
        min(source_code) as source_codes,
        min(edition_id) as edition_ids
    from parts
    group by {{ key | join(', ') }}
),

several as (
    select
        {% for name in key %}by_year.{{ name }}, {% endfor %}
        {{ distinct_list('parts.valuation') }} as valuations,
        {{ distinct_list('parts.source_code') }} as source_codes,
        {{ distinct_list('parts.edition_id') }} as edition_ids
    from by_year
    inner join parts
        on {% for name in key %}parts.{{ name }} = by_year.{{ name }}{{ ' and ' if not loop.last }}{% endfor %}
    where by_year.n_parts > 1
    group by {% for name in key %}by_year.{{ name }}{{ ', ' if not loop.last }}{% endfor %}
)

select
    by_year.publisher,
    by_year.year,
    by_year.reporter_iso3,
    by_year.partner_iso3,
    case
        when by_year.hs_revision_as_published <> 'HS' then by_year.hs_revision_as_published
        when by_year.year >= 2022 then 'HS2022'
        when by_year.year >= 2017 then 'HS2017'
        when by_year.year >= 2012 then 'HS2012'
        else 'HS2007'
    end as hs_revision,
    by_year.hs_revision_as_published = 'HS' as is_revision_assumed,
    by_year.hs_code,
    by_year.flow,
    by_year.is_reconciled,
    by_year.value_usd,
    coalesce(several.valuations, by_year.valuations) as valuations,
    months.n_months,
    by_year.data_status,
    coalesce(several.source_codes, by_year.source_codes) as source_codes,
    coalesce(several.edition_ids, by_year.edition_ids) as edition_ids
from by_year
inner join {{ ref('int_trade_months') }} as months
    on months.publisher = by_year.publisher
    and months.reporter_iso3 = by_year.reporter_iso3
    and months.year = by_year.year
left join several
    on {% for name in key %}several.{{ name }} = by_year.{{ name }}{{ ' and ' if not loop.last }}{% endfor %}

