{% set marts = [
    'mart_approvals_by_modality', 'mart_cdmo_capacity', 'mart_cdmo_concentration', 'mart_cdmo_deal',
    'mart_cdmo_landscape', 'mart_cdmo_market_projection', 'mart_company_rnd_intensity',
    'mart_competitiveness_scorecard', 'mart_composite_index', 'mart_composite_sensitivity',
    'mart_composite_uncertainty', 'mart_diagnostics', 'mart_export_cms', 'mart_import_dependency',
    'mart_japan_biologics_market', 'mart_launch_lag', 'mart_launch_lag_summary', 'mart_market_biologic_share',
    'mart_medicare_biologic', 'mart_mirror_gap', 'mart_overseas_lookup_product',
    'mart_overseas_manufacturing_share', 'mart_patent_rta', 'mart_policy_claim_check', 'mart_policy_timeline',
    'mart_regenerative_approval', 'mart_regenerative_cdmo_register', 'mart_regenerative_pipeline',
    'mart_regenerative_product', 'mart_revisions', 'mart_rnd_growth', 'mart_rnd_level', 'mart_sales_by_origin',
    'mart_supply_self_sufficiency', 'mart_top_product', 'mart_top_products_biologic_share',
    'mart_top_products_origin_share', 'mart_trade_balance', 'mart_trade_specialisation', 'mart_trial_share',
    'mart_white_biotechnology',
] %}
-- Which mart rests on which sources, as its rows name them.
{% for mart in marts -%}
select distinct '{{ mart }}' as mart, source_codes
from {{ ref(mart) }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
