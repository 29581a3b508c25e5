{# Every statement of the policy article is in the mart exactly once, and no other statement is. #}
{% test every_statement_once(model, claims=none) %}
with stated as (
    select claim_id
    from {{ claims or ref('stg_claim') }}
    where is_seed_claim
),

checked as (
    select
        claim_id,
        count(*) as n_rows
    from {{ model }}
    group by claim_id
)

select
    coalesce(stated.claim_id, checked.claim_id) as claim_id,
    checked.n_rows
from stated
full outer join checked
    on checked.claim_id = stated.claim_id
where stated.claim_id is null or checked.claim_id is null or checked.n_rows <> 1
{% endtest %}
