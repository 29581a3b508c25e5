"""Indicators into scores: weighted means of three kinds, and pairwise comparison (Copeland)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ingest.indicators.treatment import Floats

Mean = Literal["arithmetic", "geometric", "harmonic"]


def weighted_mean(values: Floats, weights: Floats, method: Mean = "arithmetic") -> Floats:
    """Mean over the last axis by weights; missing values are left out, and the other weights raised to make up.

    `weights` is broadcast against `values`. NaN where everything is missing or has no weight. Raises ValueError for a
    geometric or harmonic mean over values that are not positive.
    """
    known = ~np.isnan(values)
    if method != "arithmetic" and np.any(values[known] <= 0):
        raise ValueError(f"a {method} mean needs positive values")
    filled = np.where(known, values, 1.0)
    turned = filled
    if method == "geometric":
        turned = np.log(filled)
    elif method == "harmonic":
        turned = 1 / filled
    applied = np.where(known, weights, 0.0)
    total = applied.sum(axis=-1)
    mean = (turned * applied).sum(axis=-1) / np.where(total > 0, total, np.nan)
    if method == "geometric":
        return np.asarray(np.exp(mean))
    return np.asarray(1 / mean if method == "harmonic" else mean)


def outranking(values: Floats, weights: Floats) -> Floats:
    """Share of weight under which the row's country beats the column's; level values count half.

    Two countries are compared on the indicators that both have, whose weights make up one; without a common
    indicator the comparison is NaN. The two shares of a pair sum to one, whatever is missing. The diagonal is zero.
    """
    both = ~np.isnan(values[:, None, :]) & ~np.isnan(values[None, :, :])
    wins = (values[:, None, :] > values[None, :, :]) + 0.5 * (values[:, None, :] == values[None, :, :])
    total = (both * weights).sum(axis=-1)
    share = (np.where(both, wins, 0) * weights).sum(axis=-1) / np.where(total > 0, total, np.nan)
    np.fill_diagonal(share, 0)
    return np.asarray(share)


def copeland(values: Floats, weights: Floats) -> Floats:
    """Countries beaten less countries lost to; a pair that is level or cannot be compared counts for neither."""
    share = outranking(values, weights)
    others = ~np.eye(len(share), dtype=bool)
    return np.asarray(
        np.sum((share > 0.5) & others, axis=1) - np.sum((share < 0.5) & others, axis=1), dtype=np.float64
    )
