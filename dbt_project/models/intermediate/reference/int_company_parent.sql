-- Ultimate owner of every company by period. The days on which any ownership began or ended cut time into spans within
-- which nothing changes; in each span the owner's owner is looked up, and spans with the same end are put together.
{% set steps = 6 %}
with ownership as (
    select
        company_id,
        parent_company_id,
        coalesce(valid_from, cast('1000-01-01' as date)) as valid_from,
        coalesce(valid_to, cast('9999-12-31' as date)) as valid_to
    from {{ source('vocabulary', 'company_ownership') }}
),

days as (
    select valid_from as day from ownership
    union
    select valid_to as day from ownership
    union
    select cast('1000-01-01' as date) as day
),

spans as (
    select
        day as valid_from,
        coalesce(lead(day) over (order by day), cast('9999-12-31' as date)) as valid_to
    from days
),

chains as (
    select
        company.company_id,
        spans.valid_from,
        spans.valid_to,
        coalesce(
            {%- for step in range(steps, 0, -1) %}
            owner_{{ step }}.parent_company_id,
            {%- endfor %}
            company.company_id
        ) as ultimate_parent_id,
        {% for step in range(1, steps + 1) -%}
        case when owner_{{ step }}.parent_company_id is null then 0 else 1 end{{ ' + ' if not loop.last }}
        {%- endfor %} as n_steps
    from {{ source('vocabulary', 'company') }} as company
    cross join spans
    {%- for step in range(1, steps + 1) %}
    left join ownership as owner_{{ step }}
        on owner_{{ step }}.company_id = {{ 'company.company_id' if step == 1 else 'owner_' ~ (step - 1) ~ '.parent_company_id' }}
        and spans.valid_from >= owner_{{ step }}.valid_from
        and spans.valid_from < owner_{{ step }}.valid_to
    {%- endfor %}
    where spans.valid_from < spans.valid_to
),

marked as (
    select
        *,
        case
            when lag(ultimate_parent_id) over (partition by company_id order by valid_from) = ultimate_parent_id
                and lag(n_steps) over (partition by company_id order by valid_from) = n_steps then 0
            else 1
        end as is_change
    from chains
),

numbered as (
    select
        *,
        sum(is_change) over (partition by company_id order by valid_from) as period
    from marked
),

periods as (
    select
        company_id,
        ultimate_parent_id,
        n_steps,
        min(valid_from) as valid_from,
        max(valid_to) as valid_to
    from numbered
    group by company_id, period, ultimate_parent_id, n_steps
)

select
    periods.company_id,
    periods.ultimate_parent_id,
    parent.home_iso3 as ultimate_parent_iso3,
    periods.valid_from,
    periods.valid_to,
    periods.n_steps
from periods
inner join {{ source('vocabulary', 'company') }} as parent
    on parent.company_id = periods.ultimate_parent_id
