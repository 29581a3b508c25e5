"""Selected indicators after the treatment of outliers: one row per indicator and country, raw and treated."""

import polars as pl

from ingest.indicators.treatment import treat


def model(dbt, session):
    """Winsorised values (or logarithms), with the action that was taken; nothing where nothing is ranked."""
    rows = dbt.ref("int_composite_input").pl().sort("position", "country_iso3")
    max_steps = int(dbt.config.get("winsorised_steps"))
    parts = []
    for (_,), part in rows.group_by("indicator_id", maintain_order=True):
        done = treat(part["value"].to_numpy().astype(float), max_steps)
        parts.append(
            part.with_columns(
                pl.Series("treated_value", done.values),
                pl.lit(done.action).alias("action"),
                pl.lit(done.steps).alias("winsorised_steps"),
                pl.lit(done.passes).alias("is_free_of_outliers"),
            ).with_columns((pl.col("treated_value") != pl.col("value")).alias("is_treated"))
        )
    empty = rows.clear().with_columns(
        pl.lit(None, pl.Float64).alias("treated_value"),
        pl.lit(None, pl.String).alias("action"),
        pl.lit(None, pl.Int32).alias("winsorised_steps"),
        pl.lit(None, pl.Boolean).alias("is_free_of_outliers"),
        pl.lit(None, pl.Boolean).alias("is_treated"),
    )
    return pl.concat([empty, *parts]).to_arrow()
