-- Names that the vocabulary does not map, with the money of the last year in which they have any.
with names as (
    select
        *,
        row_number() over (
            partition by kind, source_code, name
            order by case when value is null then 1 else 0 end, data_year desc, currency
        ) as recency,
        sum(n_rows) over (partition by kind, source_code, name) as n_rows_in_all
    from {{ ref('int_name_mapping') }}
    where mapped_by is null
)

select
    kind,
    source_code,
    name,
    cast(n_rows_in_all as bigint) as row_count,
    value as value_at_stake,
    currency,
    data_year
from names
where recency = 1
order by currency, value_at_stake desc, kind, source_code, name
