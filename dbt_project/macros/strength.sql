{# Grammar of the strengths of the NHI price list (規格), as published and normalised to half width.
   A strength is understood as a mass where it states one mass for one listed unit: `300mg15mL1瓶`, `0.3mg90μL1筒`,
   `3.6mg1筒(ゴセレリンとして)`, `150mg1mL`, `25mg1g`, or a percentage of a stated volume or mass: `5%250mL1瓶`, `1%1g`. #}

{# Strength without thousands separators and blanks, the micro sign in one form. #}
{% macro strength_key(expression) -%}
    replace(replace(replace({{ expression }}, ',', ''), ' ', ''), 'µ', 'μ')
{%- endmacro %}

{% macro strength_tail() -%}
    (?:1(?:瓶|筒|管|キット|カセット|錠|カプセル|包|袋|個|枚)|バイアル)?(?:[(][^()]*[)])?$
{%- endmacro %}

{# The mass of a strength with its unit (`300mg`), or null. #}
{% macro strength_mass(key) -%}
    {{ regexp_part(key, '^([0-9]+(?:[.][0-9]+)?(?:mg|μg|g))(?:[0-9]+(?:[.][0-9]+)?(?:mL|μL|g))?' ~ strength_tail()) }}
{%- endmacro %}

{# The percentage of a strength, and the volume or mass it is of with its unit (`5` and `250mL`), or null. #}
{% macro strength_percent(key) -%}
    {{ regexp_part(key, '^([0-9]+(?:[.][0-9]+)?)%[0-9]+(?:[.][0-9]+)?(?:mL|g)' ~ strength_tail()) }}
{%- endmacro %}

{% macro strength_percent_of(key) -%}
    {{ regexp_part(key, '^[0-9]+(?:[.][0-9]+)?%([0-9]+(?:[.][0-9]+)?(?:mL|g))' ~ strength_tail()) }}
{%- endmacro %}

{# Grams of a mass with its unit; a millilitre counts as a gram, as percentages of solutions are grams in 100 mL. #}
{% macro grams_of(mass) -%}
    cast({{ regexp_part(mass, '^([0-9]+(?:[.][0-9]+)?)') }} as double)
    / case {{ regexp_part(mass, '(mg|μg|mL|g)$') }}
        when 'μg' then 1e6 when 'mg' then 1e3 when 'g' then 1.0 when 'mL' then 1.0
    end
{%- endmacro %}

{# The last mass in the name of a product that is neither a concentration nor in brackets (`100mg` of
   `注10mg/mL 100mg10mL`, `300μg` of `ペン300 300μg(5μg)`), or null. #}
{% macro name_mass(name) -%}
    {{ regexp_part("replace(" ~ name ~ ", ',', '')",
        '^[^(]*[^0-9.(]([0-9]+(?:[.][0-9]+)?(?:mg|μg))(?:[^/(][^(]*)?(?:[(].*)?$') }}
{%- endmacro %}
