"""Indicators on one scale, so that they can be added up. Every function works on each column by itself.

Values are expected with their direction applied: more is better. Ranks count upwards from the worst, and values that
are level share the lowest rank.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ingest.indicators.treatment import Floats

Normalisation = Literal["minmax", "zscore", "rank"]


def minmax(values: Floats, low: float = 0, high: float = 100) -> Floats:
    """Worst value at `low`, best at `high`; NaN for a column without spread."""
    bottom = np.nanmin(values, axis=0)
    spread = np.nanmax(values, axis=0) - bottom
    return np.asarray(low + (high - low) * (values - bottom) / np.where(spread > 0, spread, np.nan))


def zscore(values: Floats, mean: float = 0, sd: float = 1) -> Floats:
    """Distance from the mean in standard deviations (of the sample), moved to another mean and deviation."""
    deviation = np.nanstd(values, axis=0, ddof=1)
    return np.asarray(mean + sd * (values - np.nanmean(values, axis=0)) / np.where(deviation > 0, deviation, np.nan))


def rank(values: Floats) -> Floats:
    """Rank from the worst (1); level values share the lowest rank, missing ones stay missing."""
    below = (values[None, :, :] < values[:, None, :]).sum(axis=1)
    return np.where(np.isnan(values), np.nan, 1.0 + below)


def borda(values: Floats) -> Floats:
    """How many others a value is better than."""
    return rank(values) - 1


def percentile_rank(values: Floats) -> Floats:
    """Share of the others that a value is better than (0 to 1)."""
    return np.asarray(borda(values) / (np.sum(~np.isnan(values), axis=0) - 1))


def normalise(values: Floats, method: Normalisation) -> Floats:
    """Scale for aggregation: min-max from 1 to 100, z-scores of mean 10 and deviation 2, or ranks; all positive."""
    if method == "minmax":
        return minmax(values, 1, 100)
    if method == "zscore":
        return zscore(values, 10, 2)
    return rank(values)
