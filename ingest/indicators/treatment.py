"""Outliers and gaps of indicators: skewness and kurtosis, winsorisation, logarithm, imputation, denominators.

An indicator is treated where its skewness is at least 2 in absolute value and its excess kurtosis at least 3.5
(both adjusted for the sample size). It is then winsorised towards the next value, one step at a time, on the side of
its skew; where the permitted number of steps is not enough, the logarithm of the values as they were is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Imputation = Literal["none", "mean", "median"]

SKEW_LIMIT = 2.0
KURTOSIS_LIMIT = 3.5


def skewness(values: Floats) -> float:
    """Adjusted Fisher-Pearson skewness G1 of the values that are not missing; NaN for fewer than three."""
    seen = values[~np.isnan(values)]
    n = seen.size
    if n < 3 or np.ptp(seen) == 0:
        return float("nan")
    centred = seen - seen.mean()
    g1 = np.mean(centred**3) / np.mean(centred**2) ** 1.5
    return float(g1 * np.sqrt(n * (n - 1)) / (n - 2))


def excess_kurtosis(values: Floats) -> float:
    """Adjusted excess kurtosis G2 of the values that are not missing; NaN for fewer than four or no spread."""
    seen = values[~np.isnan(values)]
    n = seen.size
    if n < 4 or np.ptp(seen) == 0:
        return float("nan")
    centred = seen - seen.mean()
    g2 = np.mean(centred**4) / np.mean(centred**2) ** 2 - 3
    return float(((n + 1) * g2 + 6) * (n - 1) / ((n - 2) * (n - 3)))


def has_outliers(values: Floats) -> bool:
    """Whether skewness and kurtosis both reach their limits; values without spread have no outliers."""
    return bool(abs(skewness(values)) >= SKEW_LIMIT and excess_kurtosis(values) >= KURTOSIS_LIMIT)


@dataclass(frozen=True)
class Treated:
    """One indicator after treatment.

    `action` is none, winsorised or log; `steps` counts the winsorisation steps that stand in `values`; `passes` tells
    whether the values are free of outliers now.
    """

    values: Floats
    action: Literal["none", "winsorised", "log"]
    steps: int
    passes: bool


def winsorise(values: Floats, max_steps: int) -> tuple[Floats, int]:
    """Values moved towards the next one, one step at a time, until they have no outliers; and the steps taken.

    Each step sets the largest value (the smallest, where the skew is negative) to the next distinct one, with all
    values that are level with it.
    """
    out = values.copy()
    steps = 0
    while steps < max_steps and has_outliers(out):
        outermost, inner = (np.nanmax, np.nanmax) if skewness(out) > 0 else (np.nanmin, np.nanmin)
        extreme = out == outermost(out)
        out[extreme] = inner(out[~extreme])
        steps += 1
    return out, steps


def log_shifted(values: Floats) -> Floats:
    """Logarithm of the distance from the smallest value plus a hundredth of the range.

    For a negative skew the distance from the largest value is taken, with the sign turned, so that the order of the
    values stays as it was.
    """
    low, high = np.nanmin(values), np.nanmax(values)
    margin = 0.01 * (high - low)
    if skewness(values) < 0:
        return np.asarray(-np.log(high - values + margin))
    return np.asarray(np.log(values - low + margin))


def treat(values: Floats, max_steps: int = 5) -> Treated:
    """One indicator, winsorised where it has outliers, or its logarithm where winsorisation is not enough."""
    if not has_outliers(values):
        return Treated(values.copy(), "none", 0, passes=True)
    winsorised, steps = winsorise(values, max_steps)
    if not has_outliers(winsorised):
        return Treated(winsorised, "winsorised", steps, passes=True)
    logged = log_shifted(values)
    return Treated(logged, "log", 0, passes=not has_outliers(logged))


def treat_columns(values: Floats, max_steps: int = 5) -> Floats:
    """Every indicator (column) treated by itself."""
    return np.column_stack([treat(values[:, column], max_steps).values for column in range(values.shape[1])])


def impute(values: Floats, method: Imputation, groups: NDArray[np.str_] | None = None) -> Floats:
    """Indicators (columns) with gaps filled by the mean or the median of each; `none` leaves gaps as they are.

    With `groups` (one name per row) the mean or median is that of the row's group, and a group without any value is
    left with its gap.
    """
    out = values.copy()
    if method == "none":
        return out
    middle = np.nanmean if method == "mean" else np.nanmedian
    names = np.zeros(len(values), dtype=str) if groups is None else groups
    for name in np.unique(names):
        rows = names == name
        part = values[rows]
        known = ~np.isnan(part).all(axis=0)
        fill = np.full(values.shape[1], np.nan)
        fill[known] = middle(part[:, known], axis=0)
        out[rows] = np.where(np.isnan(part), fill, part)
    return out


def denominate(values: Floats, denominators: Floats) -> Floats:
    """Values over their denominators; NaN where the denominator is zero or missing."""
    return np.asarray(np.divide(values, denominators, out=np.full(values.shape, np.nan), where=denominators != 0))
