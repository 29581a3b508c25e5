"""Two engines' results against each other: exact in everything but floats, which may differ by one part in 1e9.

A difference of two sums that are equal is not zero in either engine, but the rounding of the sums: what is below the
precision of a float at the size of its column is no difference.
"""

from __future__ import annotations

import polars as pl
import polars.selectors as cs

TOLERANCE = 1e-9
_PRECISION = 1e-15
_ROW = "_row"


def differences(ours: pl.DataFrame, theirs: pl.DataFrame) -> list[str]:
    """What differs between two tables, in words; empty where they are equal.

    Rows are matched by all columns that hold no floats and, where those are equal, by the order of the floats.
    """
    if ours.columns != theirs.columns:
        return [f"columns {ours.columns} against {theirs.columns}"]
    if ours.height != theirs.height:
        return [f"{ours.height} rows against {theirs.height}"]
    left, right = _comparable(ours), _comparable(theirs)
    floats = left.select(cs.float()).columns
    found = []
    for column in left.columns:
        if left[column].dtype != right[column].dtype:
            found.append(f"{column}: {ours[column].dtype} against {theirs[column].dtype}")
        elif column in floats:
            found += _float_differences(left[column], right[column])
        elif not left[column].equals(right[column], null_equal=True):
            at = (left[column].ne_missing(right[column])).arg_true()
            first = at[0]
            found.append(
                f"{column}: {len(at)} values, the first {left[column][first]!r} against {right[column][first]!r}"
            )
    return found


def _comparable(frame: pl.DataFrame) -> pl.DataFrame:
    frame = frame.with_columns(
        cs.integer().cast(pl.Int64),
        cs.float().cast(pl.Float64),
        cs.decimal().cast(pl.Float64),
        cs.datetime().dt.convert_time_zone("UTC").dt.cast_time_unit("us"),
    )
    exact = frame.select(~cs.float()).columns
    floats = frame.select(cs.float()).columns
    # Floats order rows only where nothing else does, and then by their first digits, in which engines agree.
    rounded = [pl.col(name).round_sig_figs(6).alias(f"{_ROW}{name}") for name in floats]
    order = [*exact, *(f"{_ROW}{name}" for name in floats)]
    return frame.with_columns(rounded).sort(order, nulls_last=True).select(frame.columns)


def _float_differences(left: pl.Series, right: pl.Series) -> list[str]:
    if not left.is_null().equals(right.is_null()):
        at = (left.is_null() != right.is_null()).arg_true()[0]
        return [f"{left.name}: null against a number, the first {left[at]} against {right[at]}"]
    pair = pl.DataFrame({"left": left, "right": right}).drop_nulls()
    if pair.select((pl.col("left").is_nan() != pl.col("right").is_nan()).any()).item():
        return [f"{left.name}: not a number on one side only"]
    larger = pl.max_horizontal(pl.col("left").abs(), pl.col("right").abs())
    gap = (pl.col("left") - pl.col("right")).abs()
    far = pair.filter(gap > pl.max_horizontal(TOLERANCE * larger, _PRECISION * larger.max()))
    if far.is_empty():
        return []
    first = far.row(0)
    return [f"{left.name}: {far.height} values, the first {first[0]!r} against {first[1]!r}"]
