{% set dimensions = ['total', 'modality', 'substance', 'product', 'setting', 'therapeutic_class'] %}
{% set parts = ['price_effect', 'volume_effect', 'new_substance_effect', 'leaving_substance_effect',
    'presentation_effect', 'unmatched_effect'] %}
with dimensions as (
    {% for dimension in dimensions -%}
    select '{{ dimension }}' as dimension, {{ loop.index }} as dimension_order
    {%- if not loop.last %} union all {% endif %}
    {% endfor %}
),

-- Biologic products under every rule set, as the year and its comparison year list them.
changes as (
    select
        changes.*,
        rules.ruleset_id,
        product.substance_id,
        product.substance_name_en,
        product.modality,
        product.product_name
    from {{ ref('int_japan_product_change') }} as changes
    inner join {{ ref('int_product_substance') }} as product
        on product.product_code = changes.product_code
        and product.product_code_system = changes.product_code_system
    inner join {{ source('vocabulary', 'modality_rule') }} as rules
        on rules.modality = product.modality
        and rules.is_biologic
),

members as (
    select
        changes.scope_id,
        changes.fiscal_year,
        changes.comparison_fiscal_year,
        changes.ruleset_id,
        dimensions.dimension,
        dimensions.dimension_order,
        case dimensions.dimension
            when 'total' then 'all'
            when 'modality' then changes.modality
            when 'substance' then changes.substance_id
            when 'product' then changes.product_code
            when 'setting' then changes.setting
            when 'therapeutic_class' then coalesce(changes.class_code, 'none')
        end as member,
        {{ price_volume_sums() }},
        count(distinct case when is_listed_now = 1 then changes.product_code end) as n_products,
        count(distinct case when is_listed_now = 1 then changes.substance_id end) as n_substances,
        sum(is_listed_now) as n_observations,
        sum(case when is_listed_now = 1 and value_now is null then 1 else 0 end) as n_observations_suppressed,
        sum(is_listed_before) as n_observations_before,
        sum(case when dimensions.dimension = 'product' then quantity_now end) as quantity,
        sum(case when dimensions.dimension = 'product' and value_now is not null then quantity_now end)
            as quantity_priced,
        max(changes.substance_name_en) as substance_name_en,
        max(changes.modality) as modality,
        count(distinct changes.modality) as n_modalities,
        count(distinct changes.substance_id) as n_substance_names
    from changes
    cross join dimensions
    group by
        changes.scope_id, changes.fiscal_year, changes.comparison_fiscal_year, changes.ruleset_id,
        dimensions.dimension, dimensions.dimension_order,
        case dimensions.dimension
            when 'total' then 'all'
            when 'modality' then changes.modality
            when 'substance' then changes.substance_id
            when 'product' then changes.product_code
            when 'setting' then changes.setting
            when 'therapeutic_class' then coalesce(changes.class_code, 'none')
        end
),

-- The scope as a whole in its year: denominator, standing and lineage.
market as (
    select
        scope_id,
        fiscal_year,
        period_start,
        period_end,
        price_basis,
        sum(sales_jpy) as market_total_jpy,
        {{ worst_status('status') }} as data_status,
        {{ distinct_list('source_code') }} as sales_source_codes,
        {{ distinct_list('edition_id') }} as sales_edition_ids
    from {{ ref('int_market_sales') }}
    where market_iso3 = 'JPN'
    group by scope_id, fiscal_year, period_start, period_end, price_basis
),

price_list as (
    select
        {{ distinct_list('list_source_code') }} as source_codes,
        {{ distinct_list('list_edition_id') }} as edition_ids
    from {{ ref('int_product_substance') }}
),

unclassified as (
    select
        class.scope_id,
        class.fiscal_year,
        class.ruleset_id,
        sum(class.sales_jpy) as unclassified_jpy
    from {{ ref('int_market_product_class') }} as class
    where class.part = 'unclassified' and class.market_iso3 = 'JPN'
    group by class.scope_id, class.fiscal_year, class.ruleset_id
),

totals as (
    select
        scope_id,
        fiscal_year,
        ruleset_id,
        value_now as biologics_jpy
    from members
    where dimension = 'total'
),

-- Names as the last year at hand prints them.
product_names as (
    select
        product_code,
        max(product_name) as product_name
    from {{ ref('int_product_substance') }}
    group by product_code
),

class_names as (
    select
        class_code,
        max(class_name) as class_name
    from {{ ref('int_market_sales') }}
    where class_code is not null
    group by class_code
),

caveats as (
    select
        market.scope_id,
        market.fiscal_year,
        max(caveat.reason_code) as reason_code
    from market
    inner join {{ source('vocabulary', 'series_caveat') }} as caveat
        on caveat.source_code = market.sales_source_codes
        and caveat.entity_code = 'JPN'
        and caveat.series_code = 'sales'
        and caveat.effect = 'not_comparable'
        and market.fiscal_year between caveat.first_year and coalesce(caveat.last_year, 9999)
    group by market.scope_id, market.fiscal_year
),

compared as (
    select
        members.*,
        coalesce(own_caveat.reason_code, earlier_caveat.reason_code) as cut_reason,
        members.comparison_fiscal_year is not null
        and own_caveat.reason_code is null
        and earlier_caveat.reason_code is null as is_decomposed
    from members
    left join caveats as own_caveat
        on own_caveat.scope_id = members.scope_id
        and own_caveat.fiscal_year = members.fiscal_year
    left join caveats as earlier_caveat
        on earlier_caveat.scope_id = members.scope_id
        and earlier_caveat.fiscal_year = members.comparison_fiscal_year
)

select
    cast(compared.fiscal_year as int) as fiscal_year,
    cast(compared.scope_id as string) as scope_id,
    cast(market.price_basis as string) as price_basis,
    cast(compared.ruleset_id as string) as ruleset_id,
    rulesets.is_headline as is_headline_ruleset,
    cast(compared.dimension as string) as dimension,
    cast(compared.member as string) as member,
    cast(case compared.dimension
        when 'total' then 'All biologics under the rule set'
        when 'modality' then modality.title
        when 'substance' then compared.substance_name_en
        when 'product' then product_names.product_name
        when 'therapeutic_class' then coalesce(therapeutic_class.name_en, class_names.class_name)
        else case compared.member
            when 'inpatient' then 'Inpatient'
            when 'outpatient_in_house' then 'Outpatient, dispensed in house'
            when 'outpatient_pharmacy' then 'Outpatient, dispensed by a pharmacy'
            else compared.member
        end
    end as string) as member_title,
    cast(case when compared.n_modalities = 1 then compared.modality end as string) as modality,
    cast(case when compared.n_substance_names = 1 then compared.substance_name_en end as string) as substance_name,
    cast(compared.value_now as double) as sales_jpy,
    cast(compared.value_now / nullif(fx.lcu_per_usd, 0) as double) as sales_usd,
    cast(compared.value_now / nullif(totals.biologics_jpy, 0) as double) as share_of_biologics,
    cast(compared.value_now / nullif(market.market_total_jpy, 0) as double) as share_of_market,
    cast(case
        when compared.dimension = 'total'
            then (compared.value_now + coalesce(unclassified.unclassified_jpy, 0)) / nullif(market.market_total_jpy, 0)
    end as double) as share_of_market_high,
    cast(compared.quantity as double) as quantity,
    cast(compared.value_now / nullif(compared.quantity_priced, 0) as double) as average_price_jpy,
    cast(compared.comparison_fiscal_year as int) as comparison_fiscal_year,
    cast(compared.fiscal_year - compared.comparison_fiscal_year as int) as years_compared,
    cast(compared.value_before as double) as comparison_sales_jpy,
    cast(case when compared.is_decomposed then
        coalesce(compared.value_now, 0) - coalesce(compared.value_before, 0)
    end as double) as sales_change_jpy,
    {% for part in parts -%}
    cast(case when compared.is_decomposed then compared.{{ part }} end as double) as {{ part }}_jpy,
    {% endfor -%}
    cast(case when compared.is_decomposed and compared.n_observations > 0 then
        compared.value_now / nullif(compared.value_before, 0) - 1
    end as double) as sales_growth_share,
    cast(case when compared.is_decomposed then compared.price_effect / nullif(compared.value_before, 0) end as double)
        as price_growth_share,
    cast(case when compared.is_decomposed then compared.volume_effect / nullif(compared.value_before, 0) end as double)
        as volume_growth_share,
    cast(case when compared.is_decomposed then
        (compared.new_substance_effect + compared.leaving_substance_effect + compared.presentation_effect
            + compared.unmatched_effect) / nullif(compared.value_before, 0)
    end as double) as turnover_growth_share,
    cast(compared.laspeyres_price_index as double) as laspeyres_price_index,
    cast(compared.paasche_price_index as double) as paasche_price_index,
    cast(sqrt(compared.laspeyres_price_index * compared.paasche_price_index) as double) as fisher_price_index,
    cast(compared.matched_now / nullif(compared.value_now, 0) as double) as matched_sales_share,
    cast(case
        when compared.n_observations = 0 then 'not_listed_this_year'
        when compared.value_now is null then 'suppressed'
        when compared.comparison_fiscal_year is null then 'no_comparison_year'
        when compared.cut_reason is not null then compared.cut_reason
        when compared.n_observations_before = 0 then 'not_listed_in_comparison_year'
        when compared.value_before is null then 'suppressed_in_comparison_year'
    end as string) as reason_code,
    cast(compared.n_products as bigint) as n_products,
    cast(compared.n_substances as bigint) as n_substances,
    cast(compared.n_observations as bigint) as n_observations,
    cast(compared.n_observations_suppressed as bigint) as n_observations_suppressed,
    cast(cast(compared.n_observations - compared.n_observations_suppressed as double)
        / nullif(compared.n_observations, 0) as double) as coverage_share,
    cast(fx.lcu_per_usd as double) as fx_jpy_per_usd,
    cast(market.data_status as string) as data_status,
    cast(max(compared.fiscal_year) over (partition by compared.scope_id) as int) as last_data_year,
    cast({{ merge_lists(["compared.scope_id", "'fx_period_average'", "'bennet_price_volume'",
        "'comparison_year_at_hand'", "'price_nhi_list'"]) }} as string) as definition_ids,
    cast({{ merge_lists(['market.sales_source_codes', 'price_list.source_codes', 'fx.source_code']) }} as string)
        as source_codes,
    cast({{ merge_lists(['market.sales_edition_ids', 'earlier.sales_edition_ids', 'price_list.edition_ids',
        'fx.edition_id']) }} as string) as edition_ids
from compared
inner join market
    on market.scope_id = compared.scope_id
    and market.fiscal_year = compared.fiscal_year
inner join {{ source('vocabulary', 'modality_ruleset') }} as rulesets
    on rulesets.ruleset_id = compared.ruleset_id
inner join totals
    on totals.scope_id = compared.scope_id
    and totals.fiscal_year = compared.fiscal_year
    and totals.ruleset_id = compared.ruleset_id
left join market as earlier
    on earlier.scope_id = compared.scope_id
    and earlier.fiscal_year = compared.comparison_fiscal_year
left join unclassified
    on unclassified.scope_id = compared.scope_id
    and unclassified.fiscal_year = compared.fiscal_year
    and unclassified.ruleset_id = compared.ruleset_id
left join {{ source('vocabulary', 'modality') }} as modality
    on compared.dimension = 'modality'
    and modality.modality = compared.member
left join product_names
    on compared.dimension = 'product'
    and product_names.product_code = compared.member
left join class_names
    on compared.dimension = 'therapeutic_class'
    and class_names.class_code = compared.member
left join {{ source('vocabulary', 'therapeutic_class') }} as therapeutic_class
    on compared.dimension = 'therapeutic_class'
    and therapeutic_class.class_scheme = 'jsccm_3'
    and therapeutic_class.class_code = compared.member
left join {{ ref('int_fx') }} as fx
    on fx.currency = 'JPY'
    and fx.period_start = market.period_start
    and fx.period_end = market.period_end
cross join price_list
order by
    compared.scope_id,
    rulesets.is_headline desc,
    compared.ruleset_id,
    compared.dimension_order,
    compared.fiscal_year,
    compared.value_now desc nulls last,
    compared.member
