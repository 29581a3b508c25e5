"""Indicator functions against peers' results on the same data, and what must hold for any data."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ingest.indicators import aggregate, complexity, normalise, treatment, uncertainty
from tests.asem import MERGED_BY_PRINTING, SUB_INDICES, Asem


@pytest.fixture(scope="module")
def asem() -> Asem:
    from tests.conftest import shared_file

    return Asem(shared_file)


# Outliers and gaps ------------------------------------------------------------------------------------------------


def test_denominators_as_the_peer(asem: Asem) -> None:
    np.testing.assert_allclose(asem.denominated, asem.stage("expected_denominated"), rtol=1e-10, atol=0)


def test_imputation_as_the_peer(asem: Asem) -> None:
    assert np.isnan(asem.denominated).sum() == 65
    np.testing.assert_allclose(asem.imputed, asem.stage("expected_imputed"), rtol=1e-10, atol=0)


def test_treatment_as_the_peer(asem: Asem) -> None:
    treated = treatment.treat_columns(asem.stage("expected_imputed"), 5)
    np.testing.assert_allclose(treated, asem.stage("expected_treated"), rtol=0, atol=1e-10)
    np.testing.assert_allclose(asem.treated, asem.stage("expected_treated"), rtol=1e-10, atol=0)


def test_steps_and_moments_as_the_peer(asem: Asem) -> None:
    expected = {row["iCode"]: row for row in asem.table("expected_treatment_details").to_dicts()}
    for code, values in zip(asem.indicators, asem.stage("expected_imputed").T, strict=True):
        row = expected[code]
        assert treatment.skewness(values) == pytest.approx(row["check_SkewKurt0.Skew"], abs=1e-10)
        assert treatment.excess_kurtosis(values) == pytest.approx(row["check_SkewKurt0.Kurt"], abs=1e-10)
        done = treatment.treat(values, 5)
        assert done.steps == (row["winsorise.nwin"] or 0)
        assert done.action == ("none" if row["check_SkewKurt0.Pass"] in (True, "TRUE") else "winsorised")
        assert done.passes


def test_a_vector_of_the_peer_winsorised_and_logged(shared_data: Callable[[str], Path]) -> None:
    frame = pl.read_csv(shared_data("method/coinr_asem/expected_unit_vector.csv"))
    values = frame["x"].cast(pl.Float64).to_numpy()
    np.testing.assert_allclose(treatment.winsorise(values, 5)[0], frame["winsorised"].to_numpy(), atol=1e-10)
    np.testing.assert_allclose(treatment.log_shifted(values), frame["log_CT"].to_numpy(), atol=1e-10)


def test_the_logarithm_is_taken_where_steps_do_not_suffice() -> None:
    values = np.concatenate([np.arange(1.0, 41.0), [1e4, 2e4, 4e4, 8e4]])
    done = treatment.treat(values, 1)
    assert done.action == "log" and done.steps == 0
    turned = treatment.treat(-values, 1)
    assert turned.action == "log"
    np.testing.assert_allclose(turned.values, -done.values)


def test_values_without_spread_have_no_outliers() -> None:
    assert treatment.treat(np.ones(30)).action == "none"
    assert treatment.treat(np.array([1.0, np.nan, 2.0])).action == "none"


def test_imputation_by_group() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, 8.0], [10.0, 4.0]])
    groups = np.array(["a", "a", "a", "b"])
    np.testing.assert_array_equal(treatment.impute(values, "none"), values)
    np.testing.assert_array_equal(treatment.impute(values, "median")[:, 0], [1, 3, 3, 10])
    np.testing.assert_array_equal(treatment.impute(values, "mean", groups)[:, 0], [1, 3, 2, 10])
    np.testing.assert_array_equal(treatment.impute(values, "mean", groups)[:, 1], [8, 8, 8, 4])


def test_a_denominator_of_zero_gives_no_value() -> None:
    np.testing.assert_array_equal(treatment.denominate(np.array([1.0, 2.0]), np.array([0.0, 4.0])), [np.nan, 0.5])


# Scales and means -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "scale"),
    [
        ("expected_normalised", normalise.minmax),
        ("expected_normalised_zscore_10_2", lambda values: normalise.zscore(values, 10, 2)),
        ("expected_normalised_rank", normalise.rank),
        ("expected_normalised_borda", normalise.borda),
        ("expected_normalised_prank", normalise.percentile_rank),
    ],
)
def test_scales_as_the_peer(asem: Asem, stage: str, scale: Callable[[treatment.Floats], treatment.Floats]) -> None:
    ours = scale(asem.stage("expected_treated") * asem.directions)
    off = np.argwhere(np.abs(ours - asem.stage(stage)) > 1e-10)
    by_rank = stage not in {"expected_normalised", "expected_normalised_zscore_10_2"}
    found = {(asem.indicators[column], asem.countries[row]) for row, column in off}
    assert found == (MERGED_BY_PRINTING if by_rank else set())


def test_scores_and_ranks_as_the_peer(asem: Asem) -> None:
    expected = asem.table("expected_aggregated")
    scores = normalise.minmax(asem.treated * asem.directions)
    for level, names in zip(asem.levels(0.25), (asem.pillars, SUB_INDICES, ["Index"]), strict=True):
        parts = [
            aggregate.weighted_mean(scores[:, level.parents == at], level.weights[level.parents == at])
            for at in range(len(names))
        ]
        scores = np.column_stack(parts)
        np.testing.assert_allclose(scores, expected.select(names).to_numpy(), rtol=0, atol=1e-10)
    ranks = dict(zip(asem.countries, uncertainty.ranks(scores[:, 0]), strict=True))
    printed = asem.table("expected_results_summary")
    assert ranks == dict(zip(printed["uCode"], printed["Rank"], strict=True))


def test_outranking_as_the_peer(asem: Asem) -> None:
    pillars = asem.table("expected_aggregated").select(asem.pillars).to_numpy()
    expected = asem.table("expected_outranking_matrix_8_pillars")
    ours = aggregate.outranking(pillars, np.ones(8))
    np.testing.assert_allclose(ours, expected.select(asem.countries).to_numpy(), rtol=0, atol=1e-12)


def test_means_that_need_positive_values_say_so() -> None:
    for method in ("geometric", "harmonic"):
        with pytest.raises(ValueError, match="positive"):
            aggregate.weighted_mean(np.array([0.0, 1.0]), np.ones(2), method)


def test_missing_values_are_made_up_for_by_the_others() -> None:
    values = np.array([[1.0, np.nan, 4.0], [np.nan, np.nan, np.nan]])
    weights = np.array([1.0, 5.0, 3.0])
    assert aggregate.weighted_mean(values, weights)[0] == pytest.approx(3.25)
    assert aggregate.weighted_mean(values, weights, "geometric")[0] == pytest.approx(4**0.75)
    assert aggregate.weighted_mean(values, weights, "harmonic")[0] == pytest.approx(4 / 1.75)
    assert math.isnan(aggregate.weighted_mean(values, weights)[1])


# The peer gives -2, 2, 0 or 2, 0, -2 here, depending on the order of the rows.
def test_pairs_are_compared_on_what_both_have() -> None:
    values = np.array([[1.0, np.nan, 3.0], [2.0, 1.0, np.nan], [np.nan, 2.0, 1.0]])
    share = aggregate.outranking(values, np.ones(3))
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose((share + share.T)[off], 1)
    np.testing.assert_array_equal(aggregate.copeland(values, np.ones(3)), [0, 0, 0])


TABLES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(3, 8), st.integers(2, 5)),
    elements=st.one_of(st.integers(-5, 20).map(float), st.just(math.nan)),
)


@settings(max_examples=60, deadline=None)
@given(values=TABLES, data=st.data())
def test_copeland_does_not_depend_on_the_order(values: treatment.Floats, data: st.DataObject) -> None:
    rows = data.draw(st.permutations(range(values.shape[0])))
    columns = data.draw(st.permutations(range(values.shape[1])))
    weights = np.arange(1.0, values.shape[1] + 1)
    ours = aggregate.copeland(values, weights)
    assert ours.sum() == 0
    again = aggregate.copeland(values[np.ix_(rows, columns)], weights[columns])
    np.testing.assert_array_equal(again, ours[rows])


@settings(max_examples=60, deadline=None)
@given(
    values=arrays.arrays(np.float64, (6, 4), elements=st.integers(0, 30).map(float)),
    row=st.integers(0, 5),
    column=st.integers(0, 3),
    step=st.integers(1, 20),
    methods=st.sampled_from(uncertainty.Choices().aggregation),
    scale=st.sampled_from(["minmax", "rank"]),
)
def test_a_better_value_never_lowers_the_score(
    values: treatment.Floats, row: int, column: int, step: int, methods: tuple[aggregate.Mean, ...], scale: str
) -> None:
    assume((np.ptp(values, axis=0) > 0).all())
    raised = values.copy()
    # Up to the best value of the others: beyond it, a min-max scale is drawn anew for everybody.
    raised[row, column] = min(values[row, column] + step, max(values[:, column].max(), values[row, column]))
    assume(np.ptp(raised[:, column]) > 0 and raised[:, column].min() == values[:, column].min())
    assert _score(raised, methods, scale)[row] >= _score(values, methods, scale)[row] - 1e-9


def _score(values: treatment.Floats, methods: tuple[aggregate.Mean, ...], scale: str) -> treatment.Floats:
    levels = (
        uncertainty.Level(np.array([0, 0, 1, 1]), np.array([1.0, 2.0, 1.0, 1.0])),
        uncertainty.Level(np.zeros(2, dtype=np.int64), np.array([1.0, 3.0])),
    )
    choices = uncertainty.Choices(
        imputation=("none",),
        winsorisation=(5,),
        normalisation=(scale,),
        aggregation=(methods,),  # type: ignore[arg-type]
    )
    return uncertainty.Simulator(uncertainty.Index(values, levels), choices).nominal()


# Uncertainty ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def peers_problem(asem: Asem) -> uncertainty.Simulator:
    """The four factors of the peer's vignette: winsorisation, scale, weights above the indicators, mean."""
    choices = uncertainty.Choices(
        imputation=("none",),
        normalisation=("minmax", "zscore"),
        aggregation=(("arithmetic",) * 3, ("geometric",) * 3),
        drop_one=False,
    )
    index = uncertainty.Index(asem.stage("expected_imputed") * asem.directions, asem.levels(0.25))
    return uncertainty.Simulator(index, choices, seed=20211)


def test_rank_intervals_within_the_peers_bands(asem: Asem, peers_problem: uncertainty.Simulator) -> None:
    found = uncertainty.rank_intervals(peers_problem, 2000, seed=20211)
    at = {code: asem.countries.index(code) for code in ("CHE", "JPN", "SGP")}
    assert [found.nominal[at["CHE"]], found.q05[at["CHE"]], found.q95[at["CHE"]]] == [1, 1, 1]
    assert found.nominal[at["JPN"]] == 34
    assert abs(found.q05[at["JPN"]] - 33) <= 1 and abs(found.q95[at["JPN"]] - 42) <= 1
    assert found.nominal[at["SGP"]] == 14
    assert abs(found.q05[at["SGP"]] - 11) <= 1 and abs(found.q95[at["SGP"]] - 26) <= 1
    assert found.share_within(1)[at["CHE"]] > 0.95
    assert found.share_ahead_of(at["JPN"])[at["CHE"]] == 1


def test_total_orders_within_the_peers_bands(peers_problem: uncertainty.Simulator) -> None:
    found = uncertainty.rank_shift_sensitivity(peers_problem, 1024, seed=20211)
    assert found.runs == 1024 * 6
    total = dict(zip(found.names, found.total_order, strict=True))
    # Spread of the peer's stored run, its run here and an independent one, and the margin of the last.
    assert 0.045 <= total["winsorisation"] <= 0.08
    assert 0.20 <= total["normalisation"] <= 0.32
    assert 0.14 <= total["weights"] <= 0.21
    assert 0.60 <= total["aggregation"] <= 0.82


def test_sobol_of_a_function_with_known_indices() -> None:
    def ishigami(x: treatment.Floats) -> treatment.Floats:
        return np.asarray(np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0]))

    found = uncertainty.sobol(["a", "b", "c"], [(-math.pi, math.pi)] * 3, ishigami, 8192, seed=1)
    np.testing.assert_allclose(found.first_order, [0.3139, 0.4424, 0], atol=0.01)
    np.testing.assert_allclose(found.total_order, [0.5576, 0.4424, 0.2437], atol=0.01)


def test_a_constant_output_has_no_effects() -> None:
    found = uncertainty.sobol(["a", "b"], [(0, 1), (0, 1)], lambda x: np.ones(len(x)), 16, seed=1)
    assert found.total_order.tolist() == [0, 0]


def _random_index() -> uncertainty.Index:
    values = np.random.default_rng(5).lognormal(0, 1, (30, 5))
    values[3, 2] = np.nan
    levels = (
        uncertainty.Level(np.array([0, 0, 1, 1, 2]), np.ones(5)),
        uncertainty.Level(np.zeros(3, dtype=np.int64), np.ones(3)),
    )
    return uncertainty.Index(values, levels)


def test_the_same_seed_gives_the_same_ranks() -> None:
    once, twice = (
        uncertainty.rank_intervals(uncertainty.Simulator(_random_index(), uncertainty.Choices(), seed=3), 200, seed=3)
        for _ in range(2)
    )
    np.testing.assert_array_equal(once.by_run, twice.by_run)
    other = uncertainty.rank_intervals(
        uncertainty.Simulator(_random_index(), uncertainty.Choices(), seed=4), 200, seed=4
    )
    assert (once.by_run != other.by_run).any()


def test_first_answers_and_nominal_weights_give_the_nominal_score() -> None:
    simulator = uncertainty.Simulator(_random_index(), uncertainty.Choices(vary_weights=False))
    runs = simulator.scores(np.zeros((3, len(simulator.choices.varying))))
    np.testing.assert_array_equal(runs, np.tile(simulator.nominal(), (3, 1)))


def test_dropping_an_indicator_is_computing_without_it() -> None:
    index = _random_index()
    choices = uncertainty.Choices(
        imputation=("none",),
        winsorisation=(5,),
        normalisation=("minmax",),
        aggregation=(("arithmetic", "geometric"),),
        vary_weights=False,
    )
    simulator = uncertainty.Simulator(index, choices)
    assert choices.varying == ("drop_one",)
    dropped = simulator.scores(np.array([[2.5 / 6]]))[0]
    without = uncertainty.Index(
        np.delete(index.values, 1, axis=1),
        (uncertainty.Level(np.array([0, 1, 1, 2]), np.ones(4)), index.levels[1]),
    )
    expected = uncertainty.Simulator(without, uncertainty.Choices(drop_one=False, vary_weights=False)).nominal()
    np.testing.assert_allclose(dropped, expected)


def test_dropping_the_only_indicator_of_a_pillar_leaves_the_others() -> None:
    simulator = uncertainty.Simulator(
        _random_index(),
        uncertainty.Choices(("none",), (5,), ("minmax",), (("arithmetic", "geometric"),), True, False),
    )
    assert not np.isnan(simulator.scores(np.array([[0.999]]))).any()


def test_levels_that_do_not_fit_are_refused() -> None:
    levels = (uncertainty.Level(np.array([0, 0]), np.ones(2)),)
    with pytest.raises(ValueError, match="for 3"):
        uncertainty.Index(np.ones((4, 3)), levels)
    with pytest.raises(ValueError, match="one score"):
        uncertainty.Index(np.ones((4, 2)), (uncertainty.Level(np.array([0, 1]), np.ones(2)),))


# Economic complexity ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sitc() -> dict[str, pl.DataFrame]:
    from tests.conftest import shared_file

    names = ["expected_small_cp", "expected_small_country", "expected_small_product", "expected_small_proximity"]
    names += ["input_trade_small", "input_gdp_pc"]
    return {name: pl.read_csv(shared_file(f"method/ecomplexity_sitc2/{name}.csv")) for name in names}


def _by_country_and_product(sitc: dict[str, pl.DataFrame], table: str, column: str) -> treatment.Floats:
    wide = sitc[table].sort("sitc2").pivot(on="sitc2", index="country_iso3", values=column).sort("country_iso3")
    return wide.drop("country_iso3").cast(pl.Float64).fill_null(0).to_numpy()


def test_complexity_as_the_peers(sitc: dict[str, pl.DataFrame]) -> None:
    exports = _by_country_and_product(sitc, "input_trade_small", "export_usd")
    country, product = (
        sitc["expected_small_country"].sort("country_iso3"),
        sitc["expected_small_product"].sort("sitc2"),
    )
    present = complexity.presence(exports)
    np.testing.assert_allclose(
        complexity.rca(exports), _by_country_and_product(sitc, "expected_small_cp", "rca"), rtol=1e-9
    )
    np.testing.assert_array_equal(present, _by_country_and_product(sitc, "expected_small_cp", "mcp") == 1)
    found = complexity.complexity(present)
    np.testing.assert_allclose(found.eci, country["eci"].to_numpy(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.pci, product["pci"].to_numpy(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        complexity.density(present), _by_country_and_product(sitc, "expected_small_cp", "density"), rtol=0, atol=1e-9
    )
    near = sitc["expected_small_proximity"].sort("sitc2_1", "sitc2_2")["proximity"].to_numpy()
    np.testing.assert_allclose(complexity.proximity(present).ravel(), near, rtol=0, atol=1e-9)


def test_income_content_as_the_peers(sitc: dict[str, pl.DataFrame]) -> None:
    exports = _by_country_and_product(sitc, "input_trade_small", "export_usd")
    country = (
        sitc["expected_small_country"].sort("country_iso3").join(sitc["input_gdp_pc"], on="country_iso3", how="left")
    )
    income = country.sort("country_iso3")["gdp_pc_usd2000"].cast(pl.Float64).to_numpy()
    product = sitc["expected_small_product"].sort("sitc2")
    np.testing.assert_allclose(complexity.prody(exports, income), product["prody"].to_numpy(), rtol=1e-9)
    np.testing.assert_allclose(
        complexity.expy(exports, income), country.sort("country_iso3")["expy"].to_numpy(), rtol=1e-9
    )


def test_a_countrys_complexity_is_the_mean_of_its_products(sitc: dict[str, pl.DataFrame]) -> None:
    present = complexity.presence(_by_country_and_product(sitc, "input_trade_small", "export_usd"))
    found = complexity.complexity(present)
    means = [found.pci[row].mean() for row in present]
    np.testing.assert_allclose(means, found.eci, atol=1e-9)
    assert found.eigenvalues[0] == pytest.approx(1)
    assert np.corrcoef(found.eci, present.sum(axis=1))[0, 1] > 0
    assert found.eci.mean() == pytest.approx(0) and found.eci.std() == pytest.approx(1)


def test_exports_that_are_no_exports_are_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        complexity.rca(np.array([[1.0, -1.0], [1.0, 1.0]]))
    with pytest.raises(ValueError, match="at least one"):
        complexity.complexity(np.array([[True, False], [True, False]]))


def test_a_country_without_income_has_no_content_and_no_weight() -> None:
    exports = np.array([[1.0, 1.0], [2.0, 0.0], [5.0, 5.0]])
    content = complexity.prody(exports, np.array([10.0, 20.0, np.nan]))
    np.testing.assert_allclose(content, [(5 + 20) / 1.5, 10])
    assert np.isnan(complexity.expy(exports, np.array([10.0, 20.0, np.nan]))).tolist() == [False, False, True]
