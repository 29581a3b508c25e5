-- Every strength of the NHI price list with the grams of active substance in one listed unit, or the reason why there
-- are none. Activity units, international or a substance's own, are never turned into grams.
with strengths as (
    select distinct strength_text
    from {{ ref('stg_product_identity') }}
    where list_name = 'nhi_price_list' and strength_text is not null
),

keyed as (
    select
        strength_text,
        {{ strength_key('strength_text') }} as strength_key
    from strengths
),

parts as (
    select
        strength_text,
        strength_key,
        {{ strength_mass('strength_key') }} as mass,
        {{ strength_percent('strength_key') }} as percent_text,
        {{ strength_percent_of('strength_key') }} as percent_of
    from keyed
),

judged as (
    select
        *,
        case
            -- `1g` alone, and grams in a packet, are the preparation that is priced, not its active substance.
            when mass = strength_key
                or (mass not like '%mg' and mass not like '%μg' and strength_key like mass || '1包%')
                then 'mass_of_preparation'
            when mass is not null or percent_of is not null then null
            when {{ regexp_part('strength_key', '([GM]Bq)') }} is not null then 'radioactivity'
            when {{ regexp_part('strength_key', '(mg.*(?:mg|μg|単位))') }} is not null then 'several_components'
            when {{ regexp_part('strength_key', '(血液|献血|血漿)') }} is not null then 'blood_volume'
            when {{ regexp_part('strength_key', '(単位|[0-9](?:KE|JAU|IR)[0-9]|[0-9]倍)') }} is not null
                then 'activity_units'
            when {{ regexp_part('strength_key', '([0-9]cm×)') }} is not null then 'area'
            when {{ regexp_part('strength_key', '^([0-9]+(?:[.][0-9]+)?mL)') }} is not null then 'volume_only'
            when {{ regexp_part('strength_key',
                '^([0-9]+)(?:瓶|筒|管|キット|カセット|錠|カプセル|包|袋|個|枚|セット|回分|人分|患者当たり)') }} is not null
                then 'no_strength_stated'
            else 'not_understood'
        end as reason_code
    from parts
)

select
    strength_text,
    case
        when reason_code is not null then null
        when mass is not null then {{ grams_of('mass') }}
        else cast(percent_text as double) * {{ grams_of('percent_of') }} / 100
    end as grams_per_unit,
    reason_code
from judged
