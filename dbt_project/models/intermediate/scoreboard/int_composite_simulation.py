"""How far the composite ranking depends on the choices behind it: statistics by country and by factor."""

import numpy as np
import polars as pl

from ingest.indicators.uncertainty import (
    Choices,
    Index,
    Level,
    Simulator,
    rank_intervals,
    rank_shift_sensitivity,
    ranks,
)

SCHEMA = {"row_kind": pl.String, "item_id": pl.String, "statistic": pl.String, "value": pl.Float64}


def model(dbt, session):
    """Rank intervals and Sobol indices of the scheme that the run names; nothing where nothing is ranked."""
    rows = dbt.ref("int_composite_input").pl()
    weights = dbt.source("vocabulary", "indicator_weight").pl()
    scheme = dbt.config.get("composite_scheme")
    seed = int(dbt.config.get("composite_seed"))
    if rows.is_empty():
        return pl.DataFrame(schema=SCHEMA).to_arrow()

    used = {*rows["indicator_id"], *rows["pillar"]}
    for (name,), part in weights.group_by("scheme_id", maintain_order=True):
        if missing := used - set(part["item_id"]):
            raise ValueError(f"vocabulary.indicator_weight: scheme {name!r} has no weight for {sorted(missing)}")
    weights = weights.filter(pl.col("scheme_id") == scheme)
    if weights.is_empty():
        raise ValueError(f"vocabulary.indicator_weight has no scheme {scheme!r}")
    weight_of = {(kind, item): weight for kind, item, weight in weights["item_kind", "item_id", "weight"].iter_rows()}
    items = rows.select("position", "indicator_id", "pillar", "direction").unique().sort("position")
    pillars = items["pillar"].unique(maintain_order=True).to_list()
    # A country without a value of an indicator has a null there, which becomes NaN.
    wide = rows.sort("position").pivot(on="indicator_id", index="country_iso3", values="value").sort("country_iso3")
    values = wide.select(items["indicator_id"].to_list()).cast(pl.Float64).to_numpy() * items["direction"].to_numpy()
    index = Index(
        values,
        (
            Level(
                np.array([pillars.index(name) for name in items["pillar"]]),
                np.array([weight_of["indicator", name] for name in items["indicator_id"]]),
            ),
            Level(np.zeros(len(pillars), dtype=np.int64), np.array([weight_of["pillar", name] for name in pillars])),
        ),
    )
    simulator = Simulator(index, Choices(), seed=seed)
    found = rank_intervals(simulator, int(dbt.config.get("composite_runs")), seed)
    effects = rank_shift_sensitivity(simulator, int(dbt.config.get("composite_samples")), seed)

    countries = wide["country_iso3"].to_list()
    scores = simulator.nominal()
    by_country = {
        "score": scores,
        "rank": ranks(scores),
        "rank_q05": found.q05,
        "rank_median": found.median,
        "rank_q95": found.q95,
        "p_top_5": found.share_within(5),
        "p_top_10": found.share_within(10),
        "n_runs": np.full(len(countries), float(len(found.by_run))),
    }
    if "JPN" in countries:
        by_country["p_ahead_of_japan"] = found.share_ahead_of(countries.index("JPN"))
    by_factor = {
        "first_order": effects.first_order,
        "total_order": effects.total_order,
        "total_order_margin": effects.total_order_margin,
        "n_runs": np.full(len(effects.names), float(effects.runs)),
    }
    parts = [
        pl.DataFrame(
            {"row_kind": kind, "item_id": names, "statistic": statistic, "value": numbers},
            schema=SCHEMA,
        )
        for kind, names, statistics in (("country", countries, by_country), ("factor", effects.names, by_factor))
        for statistic, numbers in statistics.items()
    ]
    return pl.concat(parts).to_arrow()
