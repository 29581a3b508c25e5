{# Concentration of n suppliers lies between 1/n and 1, effective numbers between 1 and n, the largest share between the
   index and its root, and nothing is concentrated where there is no supplier. #}
{% test supplier_concentration(model, tolerance=1e-9) %}
select *
from {{ model }}
where
    (hhi is not null and (hhi < 1.0 / nullif(n_suppliers, 0) - {{ tolerance }} or hhi > 1 + {{ tolerance }}))
    or (hhi is null) <> (n_suppliers = 0)
    or n_effective < 1 - {{ tolerance }}
    or n_effective > n_effective_entropy + {{ tolerance }} * n_suppliers
    or n_effective_entropy > n_suppliers * (1 + {{ tolerance }})
    or top1_share < hhi - {{ tolerance }}
    or top1_share * top1_share > hhi + {{ tolerance }}
    or top1_share > top3_share + {{ tolerance }}
    or top3_share > 1 + {{ tolerance }}
    or (n_suppliers > 1) <> (hhi_normalised is not null)
    or hhi_normalised < -{{ tolerance }}
    or hhi_normalised > 1 + {{ tolerance }}
{% endtest %}
