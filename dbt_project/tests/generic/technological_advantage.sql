{# The index is the field's share in the country's patents over its share in the world's, its symmetric form runs from -1 to
   1 and changes sign at one, and a row without it says why. #}
{% test technological_advantage(model) %}
select *
from {{ model }}
where
    share_of_world not between 0 and 1
    or abs(share_of_world - n_fractional / nullif(n_world, 0)) > 1e-9
    or abs(rta_symmetric - (rta - 1) / (rta + 1)) > 1e-9
    or rta_symmetric not between -1 and 1
    or rta < 0
    or (rta is null) <> (reason_code is not null)
    or last_year - first_year <> 2
{% endtest %}
