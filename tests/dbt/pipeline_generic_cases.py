"""Cases of the generic tests of approvals and launch lags."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def _arrival(**changes: Any) -> Row:
    return {
        "first_anywhere_on": "date '2015-01-01'",
        "available_from": "date '2016-01-01'",
        "available_to": "date '2017-01-01'",
        "is_available": True,
        "is_right_censored": False,
        "lag_low_days": 365,
        "lag_high_days": 731,
        "is_lost": False,
    } | changes


def _waiting(**changes: Any) -> Row:
    return (
        _arrival(
            available_from="cast(null as date)",
            available_to="cast(null as date)",
            is_available=False,
            is_right_censored=True,
            lag_low_days=3000,
            lag_high_days="cast(null as int)",
            is_lost=True,
        )
        | changes
    )


def _summary(**changes: Any) -> Row:
    return {
        "n_substances": 10,
        "n_available": 7,
        "n_censored": 3,
        "n_lost": 2,
        "lag_median_low_days": 300,
        "lag_median_high_days": 900,
        "share_within_1_year_low": 0.2,
        "share_within_1_year_high": 0.5,
        "share_within_5_years_low": 0.6,
        "share_within_5_years_high": 0.7,
    } | changes


def _advantage(**changes: Any) -> Row:
    return {
        "first_year": 2018,
        "last_year": 2020,
        "n_fractional": 30.0,
        "n_world": 100.0,
        "share_of_world": 0.3,
        "rta": 3.0,
        "rta_symmetric": 0.5,
        "reason_code": "cast(null as string)",
    } | changes


CASES: list[tuple[str, dict[str, Any], list[Row], dict[str, list[Row]]]] = [
    (
        "interval_of_days",
        {},
        [_arrival(), _waiting(), _arrival(lag_low_days=0, available_from="cast(null as date)")],
        {
            "negative": [_arrival(lag_low_days=-1), _waiting()],
            "inverted": [_arrival(lag_low_days=800), _waiting()],
            "dates_inverted": [_arrival(available_from="date '2018-01-01'"), _waiting()],
            "here_and_not_here": [_arrival(is_right_censored=True), _waiting()],
            "lost_and_here": [_arrival(is_lost=True), _waiting()],
            "without_first": [_arrival(first_anywhere_on="cast(null as date)"), _waiting()],
        },
    ),
    (
        "counts_of_arrivals",
        {},
        [_summary()],
        {
            "some_missing": [_summary(n_available=6)],
            "lost_that_came": [_summary(n_lost=4)],
            "median": [_summary(lag_median_low_days=901)],
            "one_year": [_summary(share_within_1_year_low=0.55)],
            "fewer_later": [_summary(share_within_5_years_low=0.1)],
            "above_one": [_summary(share_within_5_years_high=1.1)],
            "half_an_interval": [_summary(share_within_5_years_high="cast(null as double)")],
        },
    ),
    (
        "technological_advantage",
        {},
        [_advantage()],
        {
            "share": [_advantage(share_of_world=0.4)],
            "above_one": [_advantage(n_world=20.0, share_of_world=1.5)],
            "symmetric": [_advantage(rta_symmetric=0.6)],
            "negative": [_advantage(rta=-0.5, rta_symmetric=-3.0)],
            "no_reason": [_advantage(rta="cast(null as double)", rta_symmetric="cast(null as double)")],
            "two_years": [_advantage(first_year=2019)],
        },
    ),
]
