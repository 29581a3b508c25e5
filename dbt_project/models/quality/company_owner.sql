-- Owners by period, for review and for readers who roll companies up themselves.
select
    periods.company_id,
    company.name_en as company_name_en,
    company.home_iso3 as company_iso3,
    case when periods.valid_from > cast('1000-01-01' as date) then periods.valid_from end as valid_from,
    case when periods.valid_to < cast('9999-12-31' as date) then periods.valid_to end as valid_to,
    periods.ultimate_parent_id,
    parent.name_en as ultimate_parent_name_en,
    periods.ultimate_parent_iso3,
    cast(periods.n_steps as int) as n_steps
from {{ ref('int_company_parent') }} as periods
inner join {{ source('vocabulary', 'company') }} as company
    on company.company_id = periods.company_id
inner join {{ source('vocabulary', 'company') }} as parent
    on parent.company_id = periods.ultimate_parent_id
order by periods.company_id, periods.valid_from
