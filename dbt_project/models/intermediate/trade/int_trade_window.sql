-- Pairs of years over which changes of exports are decomposed: the fixed ones of the project, and the first and last
-- year that a basket has usable import reports of.
with years as (
    select basket_id, min(year) as first_year, max(year) as last_year
    from {{ ref('int_trade_choice') }}
    where choice = 1 and is_usable and flow = 'import'
    group by basket_id
),

windows as (
    {% for first, last in var('trade_windows') -%}
    select basket_id, '{{ first }}-{{ last }}' as window_id, {{ first }} as first_year, {{ last }} as last_year
    from years
    union all
    {% endfor %}
    select basket_id, 'all_years' as window_id, first_year, last_year
    from years
)

select basket_id, window_id, first_year, last_year
from windows
where first_year < last_year and basket_id <> 'all_commodities'
