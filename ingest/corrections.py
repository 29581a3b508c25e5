"""The corrections ledger: known errors in a publisher's figures, mended in the open.

`corrections.yml` beside a source is a list of entries:

    - table: rnd_observation
      action: override            # override | scale | drop | flag
      key: {entity_code: GBR, activity_code: C21, period_end: 2020-12-31}
      column: value               # not for drop and flag
      to: 12.5                    # override: the right value; scale: the factor
      expect: {value: 1250.0}     # what the publisher says today; the entry fails once that changes
      reason: One sentence.
      evidence: https://publisher.example/erratum

An entry may say `may_be_gone: true` where the publisher removes a wrong row rather than mending it; it then applies
where the row is. Any other entry that matches no row, or one whose `expect` no longer holds, is an error: the
publisher has mended the figure (or changed it otherwise), and the entry must be looked at again. Every corrected row
says so in `note`.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ingest import plain_yaml
from ingest.errors import SourceError
from ingest.source import Source

Scalar = str | float | int | bool | date | None


class Correction(BaseModel):
    """One entry of the ledger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str
    action: Literal["override", "scale", "drop", "flag"]
    key: dict[str, Scalar]
    expect: dict[str, Scalar]
    reason: str
    evidence: str
    column: str | None = None
    to: Scalar = None
    may_be_gone: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Correction:
        if self.action in {"override", "scale"} and self.column is None:
            raise ValueError(f"{self.action} needs a column")
        if self.action == "scale" and not isinstance(self.to, int | float):
            raise ValueError("scale needs a number in `to`")
        if not self.key or not self.expect:
            raise ValueError("key and expect may not be empty")
        return self


def read(source: Source) -> list[Correction]:
    """The ledger of a source; empty where it has none. Raises SourceError for a malformed entry."""
    path = source.folder / "corrections.yml"
    if not path.exists():
        return []
    try:
        return [Correction.model_validate(entry) for entry in plain_yaml.load(path.read_text(encoding="utf-8")) or []]
    except (ValidationError, yaml.YAMLError) as error:
        raise SourceError(f"an entry is not valid: {error}", file=str(path), remedy="Correct the entry.") from error


class Ledger:
    """The corrections of one table of an edition whose rows may come in batches."""

    def __init__(self, source: Source, table: str) -> None:
        self._source = source
        self._entries = [entry for entry in read(source) if entry.table == table]
        self._matched: set[int] = set()

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows with the corrections applied; SourceError where the publisher's value is not what an entry expects."""
        for number, entry in enumerate(self._entries):
            matches = _all_equal(frame, entry.key)
            found = frame.filter(matches)
            if found.is_empty():
                continue
            self._matched.add(number)
            unexpected = found.filter(~_all_equal(frame, entry.expect))
            if unexpected.height:
                now = {name: unexpected[name][0] for name in entry.expect}
                raise _outdated(self._source, entry, f"expects {entry.expect}, but the publisher says {now}")
            frame = _corrected(entry, frame, matches)
        return frame

    def close(self, *, partition_is_complete: bool) -> None:
        """Raise SourceError where an entry has matched no row, unless the rows were a part that need not hold it."""
        for number, entry in enumerate(self._entries):
            if partition_is_complete and number not in self._matched and not entry.may_be_gone:
                raise _outdated(self._source, entry, "matches no row")


def apply(source: Source, table: str, frame: pl.DataFrame, partition_is_complete: bool = True) -> pl.DataFrame:
    """Rows of a table with the source's corrections applied.

    Raises SourceError where an entry matches no row (unless the frame is a part of the source that need not hold
    it) or where the publisher's value is no longer what the entry expects.
    """
    ledger = Ledger(source, table)
    corrected = ledger.apply(frame)
    ledger.close(partition_is_complete=partition_is_complete)
    return corrected


def _corrected(entry: Correction, frame: pl.DataFrame, matches: pl.Expr) -> pl.DataFrame:
    if entry.action == "drop":
        return frame.filter(~matches)
    remark = pl.lit(f"corrected ({entry.action}): {entry.reason} {entry.evidence}")
    note = pl.col("note") if "note" in frame.columns else pl.lit(None, dtype=pl.String)
    changes = [
        pl.when(matches)
        .then(pl.concat_str(note, remark, separator=" | ", ignore_nulls=True))
        .otherwise(note)
        .alias("note")
    ]
    if entry.column is not None and entry.action in {"override", "scale"}:
        value = pl.col(entry.column)
        mended = pl.lit(entry.to) if entry.action == "override" else value * pl.lit(entry.to)
        changes.append(pl.when(matches).then(mended).otherwise(value).alias(entry.column))
        origin = pl.col("value_origin") if "value_origin" in frame.columns else pl.lit("publisher_bytes")
        changes.append(pl.when(matches).then(pl.lit("computed")).otherwise(origin).alias("value_origin"))
    return frame.with_columns(changes)


def _all_equal(frame: pl.DataFrame, values: dict[str, Any]) -> pl.Expr:
    missing = [name for name in values if name not in frame.columns]
    if missing:
        raise SourceError(
            f"a correction names the column {missing[0]}, which the rows do not have", remedy="Correct the entry."
        )
    return pl.all_horizontal(pl.col(name).eq_missing(pl.lit(value)) for name, value in values.items())


def _outdated(source: Source, entry: Correction, problem: str) -> SourceError:
    return SourceError(
        f"the correction of {entry.table} {entry.key} {problem}",
        file=str(source.folder / "corrections.yml"),
        remedy="The publisher has changed the figure: check it, then remove or renew the entry.",
    )
