{# One entry per canonical table: what its indicator is, which year a row is about, which country it speaks of. #}
{% set tables = [
    ['sales_observation', 'price_basis', 'extract(year from period_start)', 'market_iso3'],
    ['product_identity', 'list_name', 'extract(year from listed_on)', 'market_iso3'],
    ['rnd_observation', 'measure', 'extract(year from period_start)',
        "case when entity_kind = 'country' then entity_code end"],
    ['production_observation', 'measure', 'extract(year from period_start)', 'country_iso3'],
    ['trade_flow', 'hs_code', 'extract(year from period_start)', 'reporter_iso3'],
    ['commodity_concordance', 'from_revision', 'extract(year from published_on)', 'cast(null as string)'],
    ['site_role', 'operation', 'extract(year from published_on)', 'country_iso3'],
    ['company_fact', 'metric', 'extract(year from coalesce(period_end, published_on))', 'hq_iso3'],
    ['deal', "'deal'", 'extract(year from coalesce(deal_on, published_on))', 'asset_iso3'],
    ['reference_rate', 'series_code', 'extract(year from period_start)',
        "case when area_kind = 'country' then area_code end"],
    ['trial', "coalesce(phase, 'no_phase')", 'extract(year from coalesce(start_on, published_on))',
        'cast(null as string)'],
    ['trial_site', "'trial_site'", 'extract(year from published_on)', 'country_iso3'],
    ['patent_count', "count_kind || ' ' || field_code", 'extract(year from period_start)',
        "case when entity_kind = 'country' then entity_code end"],
    ['company_identity', 'scheme', 'extract(year from published_on)', 'coalesce(headquarters_iso3, legal_address_iso3)'],
    ['area_code', 'kind', 'extract(year from published_on)', 'iso3'],
    ['claim', 'topic', 'extract(year from published_on)', 'cast(null as string)'],
    ['policy_event', 'event_kind', 'extract(year from event_on)', 'jurisdiction_iso3'],
] %}
-- What the latest editions hold, by source, canonical table and indicator: rows, years, countries, standing.
{% for table_name, indicator, year, country in tables -%}
select
    source_code,
    '{{ table_name }}' as table_name,
    {{ indicator }} as indicator,
    count(*) as n_rows,
    min({{ year }}) as first_data_year,
    max({{ year }}) as last_data_year,
    count(distinct cast({{ country }} as string)) as n_countries,
    count(case when status = 'suppressed' then 1 end) as n_suppressed,
    count(case when status in ('estimated', 'imputed') then 1 end) as n_estimated,
    count(case when status = 'provisional' then 1 end) as n_provisional,
    count(case when status = 'derived' then 1 end) as n_derived,
    {{ worst_status('status', 'reported') }} as data_status,
    {{ distinct_list('edition_id') }} as edition_ids
from {{ ref('stg_' ~ table_name) }}
group by source_code, {{ indicator }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
