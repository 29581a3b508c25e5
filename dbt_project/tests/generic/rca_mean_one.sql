{# Revealed comparative advantage, weighted with the shares of the world's exports, averages one: over the commodities of
   every country (weights: the commodities' shares of world exports) and over the countries of every commodity (weights:
   the countries' shares). Groups with a missing value are left out. #}
{% test rca_mean_one(model, partition_by, country, commodity, country_export, commodity_export, rca='rca', where='true', tolerance=1e-9) %}
with rows_of_table as (
    select *
    from {{ model }}
    where {{ where }}
),

by_country as (
    select
        'country' as margin,
        sum({{ rca }} * {{ commodity_export }}) / nullif(sum({{ commodity_export }}), 0) as mean_rca
    from rows_of_table
    group by {{ partition_by | join(', ') }}, {{ country }}
    having count(*) = count({{ rca }})
),

by_commodity as (
    select
        'commodity' as margin,
        sum({{ rca }} * {{ country_export }}) / nullif(sum({{ country_export }}), 0) as mean_rca
    from rows_of_table
    group by {{ partition_by | join(', ') }}, {{ commodity }}
    having count(*) = count({{ rca }})
)

select margin, mean_rca from by_country where abs(mean_rca - 1) > {{ tolerance }}
union all
select margin, mean_rca from by_commodity where abs(mean_rca - 1) > {{ tolerance }}
{% endtest %}
