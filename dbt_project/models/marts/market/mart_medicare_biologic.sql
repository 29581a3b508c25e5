{% set dimensions = ['total', 'modality', 'substance', 'product'] %}
{% set parts = ['price_effect', 'volume_effect', 'new_substance_effect', 'leaving_substance_effect',
    'presentation_effect', 'unmatched_effect'] %}
with dimensions as (
    {% for dimension in dimensions -%}
    select '{{ dimension }}' as dimension, {{ loop.index }} as dimension_order
    {%- if not loop.last %} union all {% endif %}
    {% endfor %}
),

products as (
    select
        product_code,
        max(substance_id) as substance_id,
        max(substance_name_en) as substance_name_en,
        max(modality) as modality,
        max(product_name) as product_name
    from {{ ref('int_medicare_product') }}
    where product_code is not null
    group by product_code
),

changes as (
    select
        changes.*,
        rules.ruleset_id,
        products.substance_id,
        products.substance_name_en,
        products.modality,
        products.product_name
    from {{ ref('int_medicare_product_change') }} as changes
    inner join products
        on products.product_code = changes.product_code
    inner join {{ source('vocabulary', 'modality_rule') }} as rules
        on rules.modality = products.modality
        and rules.is_biologic
),

members as (
    select
        changes.scope_id,
        changes.calendar_year,
        changes.comparison_calendar_year,
        changes.ruleset_id,
        dimensions.dimension,
        dimensions.dimension_order,
        case dimensions.dimension
            when 'total' then 'all'
            when 'modality' then changes.modality
            when 'substance' then changes.substance_id
            when 'product' then changes.product_code
        end as member,
        {{ price_volume_sums() }},
        count(distinct case when is_listed_now = 1 then changes.product_code end) as n_products,
        count(distinct case when is_listed_now = 1 then changes.substance_id end) as n_substances,
        sum(is_listed_before) as n_products_before,
        sum(case when dimensions.dimension = 'product' then quantity_now end) as quantity,
        max(changes.substance_name_en) as substance_name_en,
        max(changes.product_name) as product_name,
        max(changes.modality) as modality,
        count(distinct changes.modality) as n_modalities,
        count(distinct changes.substance_id) as n_substance_names
    from changes
    cross join dimensions
    group by
        changes.scope_id, changes.calendar_year, changes.comparison_calendar_year, changes.ruleset_id,
        dimensions.dimension, dimensions.dimension_order,
        case dimensions.dimension
            when 'total' then 'all'
            when 'modality' then changes.modality
            when 'substance' then changes.substance_id
            when 'product' then changes.product_code
        end
),

part_b as (
    select
        calendar_year,
        price_basis,
        {{ exact_sum('sales_usd') }} as part_b_total_usd,
        {{ exact_sum('case when substance_id is null then sales_usd end') }} as not_in_vocabulary_usd,
        {{ worst_status('status') }} as data_status,
        {{ distinct_list('source_code') }} as source_codes,
        {{ distinct_list('edition_id') }} as edition_ids
    from {{ ref('int_medicare_product') }}
    group by calendar_year, price_basis
),

totals as (
    select
        calendar_year,
        ruleset_id,
        value_now as biologics_usd
    from members
    where dimension = 'total'
)

select
    cast(members.calendar_year as int) as calendar_year,
    cast(members.scope_id as string) as scope_id,
    cast(part_b.price_basis as string) as price_basis,
    cast(basis.sentence as string) as price_basis_note,
    cast(members.ruleset_id as string) as ruleset_id,
    rulesets.is_headline as is_headline_ruleset,
    cast(members.dimension as string) as dimension,
    cast(members.member as string) as member,
    cast(case members.dimension
        when 'total' then 'All biologics under the rule set'
        when 'modality' then modality.title
        when 'substance' then members.substance_name_en
        else members.product_name
    end as string) as member_title,
    cast(case when members.n_modalities = 1 then members.modality end as string) as modality,
    cast(case when members.n_substance_names = 1 then members.substance_name_en end as string) as substance_name,
    cast(members.value_now as double) as sales_usd,
    cast(members.value_now / nullif(totals.biologics_usd, 0) as double) as share_of_biologics,
    cast(members.value_now / nullif(part_b.part_b_total_usd, 0) as double) as share_of_part_b,
    cast(part_b.part_b_total_usd as double) as part_b_total_usd,
    cast(members.quantity as double) as quantity,
    cast(members.value_now / nullif(members.quantity, 0) as double) as average_price_usd,
    cast(members.comparison_calendar_year as int) as comparison_calendar_year,
    cast(members.calendar_year - members.comparison_calendar_year as int) as years_compared,
    cast(members.value_before as double) as comparison_sales_usd,
    cast(case when members.comparison_calendar_year is not null then
        coalesce(members.value_now, 0) - coalesce(members.value_before, 0)
    end as double) as sales_change_usd,
    {% for part in parts -%}
    cast(case when members.comparison_calendar_year is not null then members.{{ part }} end as double)
        as {{ part }}_usd,
    {% endfor -%}
    cast(case when members.n_products > 0 then members.value_now / nullif(members.value_before, 0) - 1 end as double)
        as sales_growth_share,
    cast(members.price_effect / nullif(members.value_before, 0) as double) as price_growth_share,
    cast(members.volume_effect / nullif(members.value_before, 0) as double) as volume_growth_share,
    cast((members.new_substance_effect + members.leaving_substance_effect + members.presentation_effect
        + members.unmatched_effect) / nullif(members.value_before, 0) as double) as turnover_growth_share,
    cast(members.laspeyres_price_index as double) as laspeyres_price_index,
    cast(members.paasche_price_index as double) as paasche_price_index,
    cast(sqrt(members.laspeyres_price_index * members.paasche_price_index) as double) as fisher_price_index,
    cast(members.matched_now / nullif(members.value_now, 0) as double) as matched_sales_share,
    cast(case
        when members.n_products = 0 then 'not_listed_this_year'
        when members.comparison_calendar_year is null then 'no_comparison_year'
        when members.n_products_before = 0 then 'not_listed_in_comparison_year'
        -- A release repeats its five years for the billing codes of its last year only.
        when members.dimension in ('total', 'modality') then 'withdrawn_codes_missing'
    end as string) as reason_code,
    members.n_products_before > 0
    and members.n_products > 0
    and members.dimension in ('substance', 'product') as is_comparable,
    members.calendar_year < max(members.calendar_year) over () as is_partial,
    cast(members.n_products as bigint) as n_products,
    cast(members.n_substances as bigint) as n_substances,
    cast(1 - coalesce(part_b.not_in_vocabulary_usd, 0) / nullif(part_b.part_b_total_usd, 0) as double)
        as coverage_share,
    cast(part_b.data_status as string) as data_status,
    cast(max(members.calendar_year) over () as int) as last_data_year,
    cast({{ merge_lists(["members.scope_id", "'bennet_price_volume'", "'comparison_year_at_hand'",
        "'price_payer_gross'", "'part_b_unit_change'"]) }} as string) as definition_ids,
    cast(part_b.source_codes as string) as source_codes,
    cast(part_b.edition_ids as string) as edition_ids
from members
inner join part_b
    on part_b.calendar_year = members.calendar_year
inner join {{ source('vocabulary', 'modality_ruleset') }} as rulesets
    on rulesets.ruleset_id = members.ruleset_id
inner join totals
    on totals.calendar_year = members.calendar_year
    and totals.ruleset_id = members.ruleset_id
left join {{ source('vocabulary', 'modality') }} as modality
    on members.dimension = 'modality'
    and modality.modality = members.member
left join {{ source('vocabulary', 'definition') }} as basis
    on basis.definition_id = 'price_payer_gross'
order by
    rulesets.is_headline desc,
    members.ruleset_id,
    members.dimension_order,
    members.calendar_year,
    members.value_now desc nulls last,
    members.member
