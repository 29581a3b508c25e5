{# Exports less imports are the balance, the normalised balance follows from them and lies between -1 and 1, and the
   index of intra-industry trade lies between 0 and what the sums alone would give, which it equals for one commodity. #}
{% test balance_identity(model, tolerance=1e-9) %}
with compared as (
    select
        *,
        export_usd + import_usd as trade_usd,
        1 - abs(normalised_balance) as intra_of_sums
    from {{ model }}
)

select *
from compared
where
    abs(export_usd - import_usd - balance_usd) > {{ tolerance }} * trade_usd
    or (balance_usd is null) <> (export_usd is null or import_usd is null)
    or abs(normalised_balance * trade_usd - balance_usd) > {{ tolerance }} * trade_usd
    or (normalised_balance is null and trade_usd > 0)
    or abs(normalised_balance) > 1 + {{ tolerance }}
    or grubel_lloyd < -{{ tolerance }}
    or grubel_lloyd > intra_of_sums + {{ tolerance }}
    or (n_commodities = 1 and abs(grubel_lloyd - intra_of_sums) > {{ tolerance }})
    or (grubel_lloyd is null) <> (reason_code is not null)
{% endtest %}
