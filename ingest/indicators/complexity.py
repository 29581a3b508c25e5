"""Economic complexity: specialisation, complexity indices, relatedness, and the income content of exports.

The indices of one year are standardised over that year's countries: compare ranks across years, never levels. Screen
exporters first (tiny ones distort the ranking). Presence is RCA of at least one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.indicators.treatment import Floats


def _checked(exports: Floats) -> Floats:
    if np.isnan(exports).any() or (exports < 0).any():
        raise ValueError("exports must be known and not negative")
    return exports


def rca(exports: Floats) -> Floats:
    """Revealed comparative advantage (Balassa): a product's share of a country's exports over that of the world's.

    NaN where the country exports nothing or nobody exports the product. Raises ValueError for missing or negative
    exports.
    """
    world = _checked(exports).sum()
    expected = exports.sum(axis=1, keepdims=True) * exports.sum(axis=0, keepdims=True)
    return np.asarray(exports * world / np.where(expected > 0, expected, np.nan))


def presence(exports: Floats) -> NDArray[np.bool_]:
    """Whether a country is specialised in a product: RCA of at least one."""
    return np.asarray(np.nan_to_num(rca(exports)) >= 1)


@dataclass(frozen=True)
class Complexity:
    """Complexity of countries (eci) and products (pci), with the two largest eigenvalues behind them."""

    eci: Floats
    pci: Floats
    eigenvalues: tuple[float, float]


def complexity(present: NDArray[np.bool_]) -> Complexity:
    """Economic and product complexity index from presences (Hidalgo and Hausmann 2009).

    The country index is the eigenvector of the second largest eigenvalue of the countries' similarity, with the sign
    that correlates positively with diversity, standardised by the population's deviation. The product index
    takes the country index's mean and deviation, so that a country's index is the mean of its products'. Raises
    ValueError where a country or a product has no presence.
    """
    matrix = present.astype(np.float64)
    diversity, ubiquity = matrix.sum(axis=1), matrix.sum(axis=0)
    if (diversity == 0).any() or (ubiquity == 0).any():
        raise ValueError("every country and every product needs at least one presence")
    # A symmetric matrix with the same eigenvalues: its eigenvectors are exact and orthogonal.
    scaled = matrix / np.sqrt(diversity)[:, None] / np.sqrt(ubiquity)[None, :]
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    raw = vectors[:, -2] / np.sqrt(diversity)
    if np.corrcoef(raw, diversity)[0, 1] < 0:
        raw = -raw
    mean, deviation = raw.mean(), raw.std()
    # The product's vector belongs to the same eigenvalue: the mean of its countries, over that eigenvalue.
    product = (matrix.T @ raw) / ubiquity / values[-2]
    return Complexity((raw - mean) / deviation, (product - mean) / deviation, (float(values[-1]), float(values[-2])))


def proximity(present: NDArray[np.bool_]) -> Floats:
    """How often two products are present together: the smaller of the two conditional shares."""
    matrix = present.astype(np.float64)
    ubiquity = matrix.sum(axis=0)
    larger = np.maximum(ubiquity[:, None], ubiquity[None, :])
    return np.asarray(matrix.T @ matrix / np.where(larger > 0, larger, np.nan))


def density(present: NDArray[np.bool_]) -> Floats:
    """Share of a product's proximity that lies in products where the country is present, by country and product."""
    near = np.nan_to_num(proximity(present))
    total = near.sum(axis=0)
    return np.asarray(present.astype(np.float64) @ near / np.where(total > 0, total, np.nan))


def prody(exports: Floats, gdp_per_head: Floats) -> Floats:
    """Income content of products (Hausmann, Hwang and Rodrik 2007): exporters' GDP per head by their share.

    The unit is that of `gdp_per_head`. Countries without GDP are left out of the weights.
    """
    known = ~np.isnan(gdp_per_head) & (_checked(exports).sum(axis=1) > 0)
    share = exports[known] / exports[known].sum(axis=1, keepdims=True)
    total = share.sum(axis=0)
    return np.asarray((share * gdp_per_head[known, None]).sum(axis=0) / np.where(total > 0, total, np.nan))


def expy(exports: Floats, gdp_per_head: Floats) -> Floats:
    """Income content of countries' exports: the mean PRODY of what they export; NaN for a country without GDP."""
    content = np.nan_to_num(prody(exports, gdp_per_head))
    total = exports.sum(axis=1)
    value = (exports * content).sum(axis=1) / np.where(total > 0, total, np.nan)
    return np.asarray(np.where(np.isnan(gdp_per_head), np.nan, value))
