"""How far a ranking depends on how it was made: simulation of the choices, and each choice's share of the effect.

A composite index rests on choices that could have been made otherwise. Each is a factor between zero and one, which
picks one of the permitted answers: how gaps are filled, how many points of an indicator may be winsorised, how
indicators are brought to one scale, how the weights are drawn around their nominal values, how scores are averaged,
and which indicator, if any, is left out. All runs are computed at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.indicators.aggregate import Mean, weighted_mean
from ingest.indicators.normalise import Normalisation, normalise
from ingest.indicators.treatment import Floats, Imputation, impute, treat_columns

FACTORS = ("imputation", "winsorisation", "normalisation", "weights", "aggregation", "drop_one")


@dataclass(frozen=True)
class Level:
    """One step of aggregation: the parent (by position) and the nominal weight of each item below.

    `noise` is the relative width to either side within which weights are drawn.
    """

    parents: NDArray[np.int64]
    weights: Floats
    noise: float = 0.25


@dataclass(frozen=True)
class Index:
    """What is aggregated: values with their direction applied, and the levels up to one score."""

    values: Floats
    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        sizes = [self.values.shape[1], *(int(level.parents.max()) + 1 for level in self.levels)]
        for level, size in zip(self.levels, sizes, strict=False):
            if len(level.parents) != size or len(level.weights) != size:
                raise ValueError(
                    f"a level has {len(level.parents)} parents and {len(level.weights)} weights for {size}"
                )
        if sizes[-1] != 1:
            raise ValueError("the last level must lead to one score")


@dataclass(frozen=True)
class Choices:
    """Permitted answers, the nominal one first (except weights, whose nominal value is no draw at all).

    `aggregation` names the mean of every level. A factor with one answer does not vary.
    """

    imputation: tuple[Imputation, ...] = ("none", "mean", "median")
    winsorisation: tuple[int, ...] = (5, 1, 2, 3, 4)
    normalisation: tuple[Normalisation, ...] = ("minmax", "zscore", "rank")
    aggregation: tuple[tuple[Mean, ...], ...] = (
        ("arithmetic", "geometric"),
        ("arithmetic", "arithmetic"),
        ("geometric", "geometric"),
    )
    drop_one: bool = True
    vary_weights: bool = True
    weight_draws: int = 1000

    @property
    def varying(self) -> tuple[str, ...]:
        """Names of the factors with more than one answer."""
        several = {
            "imputation": len(self.imputation) > 1,
            "winsorisation": len(self.winsorisation) > 1,
            "normalisation": len(self.normalisation) > 1,
            "weights": self.vary_weights,
            "aggregation": len(self.aggregation) > 1,
            "drop_one": self.drop_one,
        }
        return tuple(name for name in FACTORS if several[name])


class Simulator:
    """Scores of an index under any choice; what does not depend on the run is worked out once."""

    def __init__(self, index: Index, choices: Choices, seed: int = 0) -> None:
        self.index = index
        self.choices = choices
        random = np.random.default_rng(seed)
        draws = choices.weight_draws
        self._weights = [
            level.weights * (1 + random.uniform(-level.noise, level.noise, (draws, len(level.weights))))
            for level in index.levels
        ]
        self._scaled = np.stack(
            [
                normalise(treat_columns(impute(index.values, imputation), steps), scale)
                for imputation in choices.imputation
                for steps in choices.winsorisation
                for scale in choices.normalisation
            ]
        )

    def nominal(self) -> Floats:
        """Scores under the first answer to every question, with the nominal weights and all indicators."""
        scores = self._scaled[0]
        for level, method in zip(self.index.levels, self.choices.aggregation[0], strict=True):
            scores = _grouped(scores, level.weights, level.parents, method)
        return np.asarray(scores[..., 0])

    def scores(self, factors: Floats) -> Floats:
        """Scores by run and country for factors between zero and one, one column per varying factor."""
        picks = self._picks(factors)
        out = np.empty((len(factors), len(self.index.values)))
        for number, methods in enumerate(self.choices.aggregation):
            # In parts, so that the arrays stay small.
            for rows in np.array_split(np.flatnonzero(picks["aggregation"] == number), max(1, len(factors) // 1024)):
                if rows.size:
                    out[rows] = self._of_runs({name: pick[rows] for name, pick in picks.items()}, methods)
        return out

    def _picks(self, factors: Floats) -> dict[str, NDArray[np.int64]]:
        counts = {
            "imputation": len(self.choices.imputation),
            "winsorisation": len(self.choices.winsorisation),
            "normalisation": len(self.choices.normalisation),
            "weights": self.choices.weight_draws,
            "aggregation": len(self.choices.aggregation),
            "drop_one": self.index.values.shape[1] + 1,
        }
        picks = {name: np.zeros(len(factors), dtype=np.int64) for name in FACTORS}
        if not self.choices.vary_weights:
            picks["weights"] -= 1
        for column, name in enumerate(self.choices.varying):
            picks[name] = np.minimum((factors[:, column] * counts[name]).astype(np.int64), counts[name] - 1)
        return picks

    def _of_runs(self, picks: dict[str, NDArray[np.int64]], methods: Sequence[Mean]) -> Floats:
        choices = self.choices
        position = picks["imputation"] * len(choices.winsorisation) + picks["winsorisation"]
        scores = self._scaled[position * len(choices.normalisation) + picks["normalisation"]]
        for number, (level, method) in enumerate(zip(self.index.levels, methods, strict=True)):
            if choices.vary_weights:
                weights = self._weights[number][picks["weights"]]
            else:
                weights = np.broadcast_to(level.weights, (len(scores), len(level.weights))).copy()
            if number == 0 and choices.drop_one:
                dropped = picks["drop_one"]
                runs = np.flatnonzero(dropped > 0)
                weights[runs, dropped[runs] - 1] = 0
            scores = _grouped(scores, weights[:, None, :], level.parents, method)
        return np.asarray(scores[..., 0])


def _grouped(scores: Floats, weights: Floats, parents: NDArray[np.int64], method: Mean) -> Floats:
    """Mean of the items of each parent, over the last axis."""
    parts = [
        weighted_mean(scores[..., parents == parent], weights[..., parents == parent], method)
        for parent in range(int(parents.max()) + 1)
    ]
    return np.stack(parts, axis=-1)


def ranks(scores: Floats) -> Floats:
    """Rank by score along the last axis, the best first; level scores share the better rank."""
    above = (scores[..., None, :] > scores[..., :, None]).sum(axis=-1)
    return np.where(np.isnan(scores), np.nan, 1.0 + above)


@dataclass(frozen=True)
class RankInterval:
    """Ranks of countries over all runs; arrays have one entry per country, in the order of the index's rows."""

    nominal: Floats
    q05: Floats
    median: Floats
    q95: Floats
    by_run: Floats

    def share_within(self, top: int) -> Floats:
        """Share of runs in which a country is among the first `top`."""
        return np.asarray((self.by_run <= top).mean(axis=0))

    def share_ahead_of(self, country: int) -> Floats:
        """Share of runs in which each country ranks ahead of one of them."""
        return np.asarray((self.by_run < self.by_run[:, [country]]).mean(axis=0))


def rank_intervals(simulator: Simulator, runs: int, seed: int) -> RankInterval:
    """Ranks over random choices: median and the interval from the 5th to the 95th percentile, whole ranks."""
    random = np.random.default_rng(seed)
    by_run = ranks(simulator.scores(random.random((runs, len(simulator.choices.varying)))))
    q05, median, q95 = np.quantile(by_run, (0.05, 0.5, 0.95), axis=0, method="inverted_cdf")
    return RankInterval(ranks(simulator.nominal()), q05, median, q95, by_run)


@dataclass(frozen=True)
class Sensitivity:
    """Sobol indices by factor: first order, total order, and half the width of the total's 95 % interval."""

    names: tuple[str, ...]
    first_order: Floats
    total_order: Floats
    total_order_margin: Floats
    runs: int


def sobol(
    names: Sequence[str],
    bounds: Sequence[tuple[float, float]],
    model: Callable[[Floats], Floats],
    samples: int,
    seed: int,
) -> Sensitivity:
    """Sobol indices of a model's output, by Saltelli's scheme; `samples` is a power of two.

    The model takes runs by rows and factors by columns and is run samples * (factors + 2) times.
    """
    from SALib.analyze import sobol as analyse  # type: ignore[import-untyped]
    from SALib.sample import sobol as draw  # type: ignore[import-untyped]

    problem = {"num_vars": len(names), "names": list(names), "bounds": [list(pair) for pair in bounds]}
    factors = draw.sample(problem, samples, calc_second_order=False, seed=seed)
    output = model(factors)
    if np.ptp(output) == 0:
        # Nothing that is varied changes the output; the indices of a constant are not defined.
        nothing = np.zeros(len(names))
        return Sensitivity(tuple(names), nothing, nothing, nothing, len(factors))
    found: Any = analyse.analyze(problem, output, calc_second_order=False, num_resamples=100, seed=seed)
    return Sensitivity(tuple(names), found["S1"], found["ST"], found["ST_conf"], len(factors))


def rank_shift_sensitivity(simulator: Simulator, samples: int, seed: int) -> Sensitivity:
    """Sobol indices of the mean absolute shift of ranks against the nominal ranking."""
    nominal = ranks(simulator.nominal())
    names = simulator.choices.varying

    def shift(factors: Floats) -> Floats:
        return np.asarray(np.abs(ranks(simulator.scores(factors)) - nominal).mean(axis=1))

    return sobol(names, [(0.0, 1.0)] * len(names), shift, samples, seed)
