-- Codes that lie wholly within one code of an older revision of the Harmonized System, over one to three revisions.
-- Codes that the publisher splits over several older ones are left out: a broad code is never split.
with one_step as (
    select distinct from_revision, from_code, to_revision, to_code
    from {{ ref('stg_commodity_concordance') }}
    where relationship in ('1:1', 'n:1')
),

two_steps as (
    select one_step.from_revision, one_step.from_code, next_step.to_revision, next_step.to_code
    from one_step
    inner join one_step as next_step
        on next_step.from_revision = one_step.to_revision
        and next_step.from_code = one_step.to_code
),

three_steps as (
    select two_steps.from_revision, two_steps.from_code, next_step.to_revision, next_step.to_code
    from two_steps
    inner join one_step as next_step
        on next_step.from_revision = two_steps.to_revision
        and next_step.from_code = two_steps.to_code
)

select from_revision, from_code, to_revision, to_code from one_step
union all
select from_revision, from_code, to_revision, to_code from two_steps
union all
select from_revision, from_code, to_revision, to_code from three_steps
