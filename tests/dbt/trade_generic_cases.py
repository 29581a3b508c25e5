"""Sound and broken rows for the generic tests of trade and supply, in the order of the fields of a case."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

NO_NUMBER = "cast(null as double)"
NO_TEXT = "cast(null as string)"

# Two countries that export two commodities: 6 and 2, 2 and 10.
_EXPORTS = {("'A'", "'p'"): 6.0, ("'A'", "'q'"): 2.0, ("'B'", "'p'"): 2.0, ("'B'", "'q'"): 10.0}


def _advantage(**rca: Any) -> list[Row]:
    rows = []
    for (country, commodity), export in _EXPORTS.items():
        country_export = sum(value for (c, _), value in _EXPORTS.items() if c == country)
        commodity_export = sum(value for (_, p), value in _EXPORTS.items() if p == commodity)
        cell = f"{country}{commodity}".replace("'", "")
        value = (export / country_export) / (commodity_export / 20.0)
        rows.append(
            {
                "year": 2020,
                "country": country,
                "commodity": commodity,
                "export": export,
                "country_export": country_export,
                "commodity_export": commodity_export,
                "rca": rca.get(cell, value),
            }
        )
    return rows


def _balance(**changes: Any) -> Row:
    return {
        "export_usd": 30.0,
        "import_usd": 70.0,
        "balance_usd": -40.0,
        "normalised_balance": -0.4,
        "grubel_lloyd": 0.6,
        "n_commodities": 1,
        "reason_code": NO_TEXT,
    } | changes


def _supply(**changes: Any) -> Row:
    return {
        "production_value": 80.0,
        "import_value": 40.0,
        "export_value": 20.0,
        "apparent_consumption_value": 100.0,
        "import_penetration_share": 0.4,
        "self_sufficiency_ratio": 0.8,
        "export_consumption_ratio": 0.2,
        "import_share_of_supply": 40.0 / 120.0,
        "is_hub": False,
        "is_back_solved": False,
        "reason_code": NO_TEXT,
    } | changes


_HUB = _supply(
    export_value=90.0,
    apparent_consumption_value=30.0,
    import_penetration_share=NO_NUMBER,
    self_sufficiency_ratio=NO_NUMBER,
    export_consumption_ratio=NO_NUMBER,
    is_hub=True,
    reason_code="'exports_exceed_production'",
)


def _change(**changes: Any) -> Row:
    return {
        "window_id": "'w'",
        "export_first_usd": 100.0,
        "export_last_usd": 150.0,
        "export_change_usd": 50.0,
        "market_growth_usd": 20.0,
        "market_structure_usd": 10.0,
        "market_share_effect_usd": 20.0,
    } | changes


_OTHER = _change(
    export_last_usd=90.0,
    export_change_usd=-10.0,
    market_structure_usd=-10.0,
    market_share_effect_usd=-20.0,
)


def _suppliers(**changes: Any) -> Row:
    # Shares one half, three tenths, one fifth.
    return {
        "n_suppliers": 3,
        "hhi": 0.38,
        "hhi_normalised": (0.38 - 1 / 3) / (1 - 1 / 3),
        "n_effective": 1 / 0.38,
        "n_effective_entropy": 2.8,
        "top1_share": 0.5,
        "top3_share": 1.0,
    } | changes


_ONE = _suppliers(
    n_suppliers=1, hhi=1.0, hhi_normalised=NO_NUMBER, n_effective=1.0, n_effective_entropy=1.0, top1_share=1.0
)
_NONE = dict.fromkeys(_suppliers(), NO_NUMBER) | {"n_suppliers": 0}

CASES: list[tuple[str, dict[str, Any], list[Row], dict[str, list[Row]]]] = [
    (
        "rca_mean_one",
        {
            "partition_by": ["year"],
            **{n: n for n in ("country", "commodity", "country_export", "commodity_export")},
        },
        _advantage(),
        {"country_off": _advantage(Ap=1.0), "commodity_off": _advantage(Ap=1.625, Aq=0.625)},
    ),
    (
        "zero_sums",
        {"column": "value", "partition_by": ["year"]},
        [
            {"year": 1, "value": 0.25},
            {"year": 1, "value": -0.25},
            {"year": 2, "value": 0.5},
            {"year": 2, "value": NO_NUMBER},
        ],
        {"off": [{"year": 1, "value": 0.25}, {"year": 1, "value": -0.2}]},
    ),
    (
        "balance_identity",
        {},
        [
            _balance(),
            _balance(n_commodities=2, grubel_lloyd=0.3),
            _balance(
                export_usd=NO_NUMBER,
                balance_usd=NO_NUMBER,
                normalised_balance=NO_NUMBER,
                grubel_lloyd=NO_NUMBER,
                reason_code="'exports_unknown'",
            ),
        ],
        {
            "balance": [_balance(balance_usd=-41.0)],
            "balance_missing": [_balance(balance_usd=NO_NUMBER)],
            "normalised": [_balance(normalised_balance=-0.5, grubel_lloyd=0.5)],
            "normalised_missing": [_balance(normalised_balance=NO_NUMBER)],
            "intra_above_sums": [_balance(n_commodities=2, grubel_lloyd=0.7)],
            "intra_negative": [_balance(n_commodities=2, grubel_lloyd=-0.1)],
            "intra_of_one": [_balance(grubel_lloyd=0.5)],
            "no_reason": [_balance(grubel_lloyd=NO_NUMBER)],
        },
    ),
    (
        "total_vs_sum",
        {"total": "total", "parts": "parts", "tolerance": 0.001, "where": "counts"},
        [
            {"total": 1000.0, "parts": 999.5, "counts": True},
            {"total": 1000.0, "parts": 1.0, "counts": False},
            {"total": 1000.0, "parts": NO_NUMBER, "counts": True},
        ],
        {
            "short": [{"total": 1000.0, "parts": 990.0, "counts": True}],
            "over": [{"total": 1000.0, "parts": 2000.0, "counts": True}],
        },
    ),
    (
        "supply_identity",
        {},
        [_supply(), _HUB, _HUB | {"is_hub": False, "export_value": 20.0, "apparent_consumption_value": 100.0}],
        {
            "consumption": [_supply(apparent_consumption_value=101.0)],
            "ratios": [_supply(import_penetration_share=0.5)],
            "hub_with_ratio": [_supply(is_hub=True)],
            "back_solved_with_ratio": [_supply(is_back_solved=True)],
            "hub_not_marked": [_HUB | {"is_hub": False}],
            "negative_not_marked": [
                _HUB | {"is_hub": False, "export_value": 130.0, "apparent_consumption_value": -10.0}
            ],
            "no_reason": [_HUB | {"reason_code": NO_TEXT}],
            "share_above_one": [_supply(import_share_of_supply=1.1)],
            "share_negative": [_supply(import_share_of_supply=-0.1)],
        },
    ),
    (
        "cms_identity",
        {"partition_by": ["window_id"]},
        [_change(), _OTHER],
        {
            "terms": [_change(market_growth_usd=25.0), _OTHER],
            "change": [_change(export_change_usd=40.0, market_growth_usd=10.0), _OTHER],
            "missing": [_change(market_structure_usd=NO_NUMBER), _OTHER],
            "structure_of_all": [_change(market_structure_usd=15.0, market_growth_usd=15.0), _OTHER],
            "share_of_all": [_change(market_share_effect_usd=15.0, market_growth_usd=25.0), _OTHER],
        },
    ),
    (
        "supplier_concentration",
        {},
        [_suppliers(), _ONE, _NONE],
        {
            "below_equal_shares": [_suppliers(hhi=0.3, n_effective=1 / 0.3, n_effective_entropy=3.0)],
            "above_one": [_suppliers(hhi=1.1, top1_share=1.1)],
            "missing": [_suppliers(hhi=NO_NUMBER)],
            "effective_above_entropy": [_suppliers(n_effective_entropy=2.0)],
            "entropy_above_n": [_suppliers(n_effective_entropy=3.5)],
            "effective_below_one": [_suppliers(n_effective=0.9)],
            "largest_below_index": [_suppliers(top1_share=0.35)],
            "largest_above_root": [_suppliers(top1_share=0.7)],
            "top3_above_one": [_suppliers(top3_share=1.2)],
            "top3_below_top1": [_suppliers(top3_share=0.4)],
            "one_supplier_normalised": [_ONE | {"hhi_normalised": 1.0}],
            "normalised_missing": [_suppliers(hhi_normalised=NO_NUMBER)],
            "normalised_negative": [_suppliers(hhi_normalised=-0.1)],
            "normalised_above_one": [_suppliers(hhi_normalised=1.1)],
        },
    ),
]
