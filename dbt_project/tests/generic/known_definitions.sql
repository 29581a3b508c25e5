{# Every definition that a row names stands in vocabulary.definition. #}
{% test known_definitions(model, definitions=none) %}
with lists as (
    select distinct definition_ids
    from {{ model }}
    where definition_ids is not null
),

matched as (
    select
        lists.definition_ids,
        length(lists.definition_ids) - length(replace(lists.definition_ids, ',', '')) + 1 as n_named,
        count(definition.definition_id) as n_known
    from lists
    left join {{ definitions or source('vocabulary', 'definition') }} as definition
        on ',' || lists.definition_ids || ',' like '%,' || definition.definition_id || ',%'
    group by lists.definition_ids
)

select *
from matched
where n_named <> n_known
{% endtest %}
