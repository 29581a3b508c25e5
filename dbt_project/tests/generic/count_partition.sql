{# Every product of a list is counted once, the list is never longer than asked, and full only where it is as long. #}
{% test count_partition(model) %}
select *
from {{ model }}
where
    n_biologic + n_not_biologic + n_unclassified <> n_products
    or n_products > top_n
    or is_list_full <> (n_products = top_n)
    or (is_complete and not is_list_full)
{% endtest %}
