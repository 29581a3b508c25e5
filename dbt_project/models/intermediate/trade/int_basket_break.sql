-- Whether a basket holds the same goods under a revision of the Harmonized System as under the one before it: no code
-- of it shares goods with a code outside the older basket, and no code outside it with one inside.
with pairs as (
    select distinct from_revision, from_code, to_revision, to_code
    from {{ ref('stg_commodity_concordance') }}
),

steps as (
    select distinct from_revision as hs_revision, to_revision as older_revision from pairs
),

members as (
    select distinct basket_id, hs_revision, hs_code
    from {{ source('vocabulary', 'commodity_basket_code') }}
),

crossings as (
    select
        baskets.basket_id,
        pairs.from_revision as hs_revision,
        count(*) as n_crossings
    from pairs
    cross join (select distinct basket_id from members) as baskets
    left join members as newer
        on newer.basket_id = baskets.basket_id
        and newer.hs_revision = pairs.from_revision
        and newer.hs_code = pairs.from_code
    left join members as older
        on older.basket_id = baskets.basket_id
        and older.hs_revision = pairs.to_revision
        and older.hs_code = pairs.to_code
    where (newer.hs_code is null and older.hs_code is not null) or (newer.hs_code is not null and older.hs_code is null)
    group by baskets.basket_id, pairs.from_revision
)

select
    member_revisions.basket_id,
    member_revisions.hs_revision,
    steps.older_revision,
    coalesce(crossings.n_crossings, 0) > 0 as is_break
from (select distinct basket_id, hs_revision from members where hs_code <> 'TOTAL') as member_revisions
inner join steps
    on steps.hs_revision = member_revisions.hs_revision
left join crossings
    on crossings.basket_id = member_revisions.basket_id
    and crossings.hs_revision = member_revisions.hs_revision
