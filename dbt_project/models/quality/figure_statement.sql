-- What each edition said of each figure, for the parts of sources of which several editions are at hand, for companies'
-- reports (each a part of its own, which repeats earlier years), and for quotations of older editions.
with editions as (
    select
        source_code,
        table_name,
        edition_partition,
        count(distinct edition_id) as n_editions
    from {{ source('lake', 'edition') }}
    group by source_code, table_name, edition_partition
),

quoted as (
    select distinct
        quoted_source_code,
        table_name
    from {{ source('vocabulary', 'quoted_edition') }}
),

compared as (
    select
        editions.source_code,
        editions.table_name,
        editions.edition_partition
    from editions
    left join {{ source('vocabulary', 'quoted_edition') }} as quotation
        on quotation.source_code = editions.source_code
        and quotation.edition_partition = editions.edition_partition
        and quotation.table_name = editions.table_name
    left join quoted
        on quoted.quoted_source_code = editions.source_code
        and quoted.table_name = editions.table_name
    where
        editions.source_code not in ('{{ var('revisions_without_sources') | join("', '") }}')
        and (
            editions.n_editions > 1
            or editions.source_code in ('{{ var('revisions_across_parts') | join("', '") }}')
            or quotation.source_code is not null
            or quoted.quoted_source_code is not null
        )
),

statements as (
    {{ figure_statements(
        'rnd_observation',
        ['entity_kind', 'entity_code', 'lens', 'activity_scheme', 'activity_code', 'criteria', 'measure', 'unit', 'price_base',
            'period_start', 'period_end'],
        measure='stated.measure', unit='stated.unit', currency='stated.currency',
        entity='stated.entity_code', entity_name='stated.entity_name', activity='stated.activity_code'
    ) }}
    union all
    {{ figure_statements(
        'sales_observation',
        ['row_kind', 'product_code_system', 'product_code', 'product_name', 'substance_name', 'class_code', 'seller_name',
            'market_iso3', 'setting', 'route', 'period_start', 'period_end', 'price_basis'],
        measure="'sales_value'", unit="'currency'", currency='stated.currency',
        entity='coalesce(stated.seller_code, stated.product_code, stated.class_code)',
        entity_name='coalesce(stated.seller_name, stated.product_name)', activity='stated.product_name'
    ) }}
    union all
    {{ figure_statements(
        'reference_rate',
        ['series_code', 'area_code', 'counter_code', 'rate_basis', 'period_start', 'period_end'],
        measure='stated.series_code', unit='stated.unit', currency='cast(null as string)',
        entity='stated.area_code', entity_name='stated.area_code'
    ) }}
    union all
    {{ figure_statements(
        'production_observation',
        ['country_iso3', 'category_scheme', 'category_code', 'measure', 'unit', 'period_start', 'period_end'],
        measure='stated.measure', unit='stated.unit', currency='cast(null as string)',
        entity='stated.country_iso3', entity_name='stated.country_iso3', activity='stated.category_code'
    ) }}
    union all
    {{ figure_statements(
        'trade_flow',
        ['reporter_iso3', 'partner_iso3', 'hs_revision', 'hs_code', 'flow', 'period_start', 'period_end'],
        measure='stated.flow', unit="'currency'", currency="'USD'",
        entity='stated.reporter_iso3', entity_name='stated.reporter_iso3', activity='stated.hs_code', value='value_usd'
    ) }}
)

select * from statements
