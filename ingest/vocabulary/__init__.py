"""Reviewed maps: one CSV per table, one row per decision, described in `vocabulary.yml`.

A map proposes nothing and guesses nothing: a name that is not in it stays unmapped, is kept and is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from ingest import plain_yaml
from ingest.errors import VocabularyError

VOCABULARY_DIR = Path(__file__).resolve().parent

_TYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "int64": pl.Int64(),
    "float64": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
}


@dataclass(frozen=True)
class VocabularyTable:
    """Description of one reviewed table."""

    name: str
    title: str
    description: str
    key: tuple[str, ...]
    columns: dict[str, dict[str, Any]]

    @property
    def path(self) -> Path:
        """Its CSV file."""
        return VOCABULARY_DIR / f"{self.name}.csv"


@cache
def tables() -> dict[str, VocabularyTable]:
    """All reviewed tables by name, from `vocabulary.yml`."""
    raw: dict[str, Any] = plain_yaml.load((VOCABULARY_DIR / "vocabulary.yml").read_text(encoding="utf-8"))
    return {
        name: VocabularyTable(name, entry["title"], entry["description"], tuple(entry["key"]), entry["columns"])
        for name, entry in raw.items()
    }


def paths() -> list[Path]:
    """Files that make up the vocabulary."""
    return sorted([VOCABULARY_DIR / "vocabulary.yml", *VOCABULARY_DIR.glob("*.csv")])


@cache
def table(name: str) -> pl.DataFrame:
    """One reviewed table in its declared types.

    Raises VocabularyError where the CSV is missing, has other columns than declared, breaks its key, or holds a
    value outside a declared set.
    """
    spec = tables().get(name)
    if spec is None:
        raise VocabularyError(f"there is no vocabulary table {name!r}", remedy=f"Use one of {', '.join(tables())}.")
    if not spec.path.exists():
        raise VocabularyError("the table is missing", file=spec.path.name, remedy="Restore it from the repository.")
    schema = {column: _TYPES[entry.get("type", "string")] for column, entry in spec.columns.items()}
    try:
        frame = pl.read_csv(spec.path, schema=schema)
    except pl.exceptions.PolarsError as error:
        raise VocabularyError(
            f"the table cannot be read ({error})",
            file=spec.path.name,
            remedy="Compare it with vocabulary.yml.",
        ) from error
    header = pl.read_csv(spec.path, n_rows=0).columns
    if header != list(schema):
        raise VocabularyError(
            f"its columns are {', '.join(header)}, declared are {', '.join(schema)}",
            file=spec.path.name,
            remedy="Make vocabulary.yml and the CSV agree.",
        )
    repeated = frame.filter(pl.struct(spec.key).is_duplicated())
    if repeated.height:
        first = {column: repeated[column][0] for column in spec.key}
        raise VocabularyError(f"{first} stands twice", file=spec.path.name, remedy="Keep one decision per key.")
    for column, entry in spec.columns.items():
        values = frame[column]
        if not entry.get("nullable", False) and values.null_count():
            raise VocabularyError(
                f"column {column} has empty cells",
                file=spec.path.name,
                remedy="Fill them or declare them nullable.",
            )
        if allowed := entry.get("allowed"):
            outside = values.drop_nulls().filter(~values.drop_nulls().is_in(allowed))
            if outside.len():
                raise VocabularyError(
                    f"column {column} holds {outside[0]!r}, not one of {', '.join(allowed)}",
                    file=spec.path.name,
                    remedy="Correct the row, or extend the set in vocabulary.yml.",
                )
    return frame


@cache
def country_codes() -> list[str]:
    """Codes that a country column may hold: ISO 3166-1 alpha-3 and the few aggregates of `country.csv`."""
    return table("country")["iso3"].to_list()
