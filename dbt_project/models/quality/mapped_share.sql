-- How much of what publishers name is decided by the vocabulary, by kind of name, source and year.
with names as (
    select
        case when kind = 'modality' then 'substance' else kind end as kind,
        source_code,
        data_year,
        currency,
        count(distinct name) as n_names,
        count(distinct case when mapped_by is null then name end) as n_unmapped,
        {{ exact_sum('value') }} as named_value,
        {{ exact_sum('case when mapped_by is not null then value end') }} as mapped_value
    from {{ ref('int_name_mapping') }}
    group by case when kind = 'modality' then 'substance' else kind end, source_code, data_year, currency
),

remainders as (
    select
        'substance' as kind,
        source_code,
        cast(extract(year from case when market_iso3 = 'JPN' and period_basis = 'fiscal_year' then period_start else period_end end) as int)
            as data_year,
        currency,
        {{ exact_sum('value') }} as remainder_value
    from {{ ref('stg_sales_observation') }}
    where row_kind = 'remainder' and product_code_system is null and source_code in ('mhlw_ndb', 'cms_part_b', 'cms_part_d')
    group by
        source_code,
        cast(extract(year from case when market_iso3 = 'JPN' and period_basis = 'fiscal_year' then period_start else period_end end) as int),
        currency
)

select
    names.kind,
    names.source_code,
    names.data_year,
    names.currency,
    names.n_names,
    names.n_unmapped,
    names.named_value,
    coalesce(names.mapped_value, case when names.named_value is not null then 0 end) as mapped_value,
    remainders.remainder_value,
    case
        when names.named_value > 0 then coalesce(names.mapped_value, 0) / names.named_value
    end as share_of_value_mapped,
    (names.n_names - names.n_unmapped) / cast(names.n_names as double) as share_of_names_mapped
from names
left join remainders
    on remainders.kind = names.kind
    and remainders.source_code = names.source_code
    and remainders.data_year = names.data_year
    and remainders.currency = names.currency
order by names.kind, names.source_code, names.data_year, names.currency
