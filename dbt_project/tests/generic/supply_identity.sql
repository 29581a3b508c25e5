{# Production and imports are consumption and exports; penetration, self-sufficiency and exports over consumption add up;
   a hub, a back-solved production or an unknown input has neither of them, and says why. #}
{% test supply_identity(model, tolerance=1e-9) %}
select *
from {{ model }}
where
    abs(production_value + import_value - export_value - apparent_consumption_value)
    > {{ tolerance }} * (production_value + import_value + export_value)
    or abs(import_penetration_share + self_sufficiency_ratio - export_consumption_ratio - 1)
    > {{ tolerance }} * (1 + export_consumption_ratio)
    or ((is_hub or is_back_solved) and coalesce(import_penetration_share, self_sufficiency_ratio) is not null)
    or (apparent_consumption_value <= 0 and not is_hub)
    or (export_value > production_value and apparent_consumption_value is not null and not is_hub)
    or (reason_code is null) <> (self_sufficiency_ratio is not null)
    or import_share_of_supply < -{{ tolerance }}
    or import_share_of_supply > 1 + {{ tolerance }}
{% endtest %}
