"""Proposals for names that the vocabulary does not map: similar names that it knows, the largest sales first.

A proposal decides nothing. A person who accepts one adds a row to `substance_alias.csv` or `company_alias.csv` with
its basis; a name without a good candidate may need a substance or a company of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from rapidfuzz import fuzz, process

from ingest import biologics, vocabulary

LEAST_SCORE = 80.0
MOST_CANDIDATES = 3
NAMES_AT_A_TIME = 500

# What does not tell one company from another: legal forms, countries, and words that most of them share.
_COMMON_WORDS = (
    r"\b(?:inc|incorporated|llc|llp|ltd|limited|plc|corp|corporation|co|company|gmbh|ag|kg|kgaa|se|sa|sas|srl|spa|bv|nv|"
    r"ab|as|oy|oyj|pty|pvt|private|dac|eeig|kk|holdings?|group|the|and|pharmaceuticals?|pharms?|pharma|biopharma|"
    r"therapeutics|therap|sciences|laborator(?:y|ies)|labs|industr(?:y|ies)|international|intl|usa|us|uk|japan|europe|"
    r"ireland|deutschland|nederland)\b|株式会社|製薬|薬品工業|薬品|ファーマ|ジャパン"
)
# Four letters that FDA adds to the names of biologics.
_SUFFIX = r"-[a-z]{4}$"
_COLUMNS = {
    "kind": pl.String,
    "source_code": pl.String,
    "name": pl.String,
    "row_count": pl.Int64,
    "value_at_stake": pl.Float64,
    "currency": pl.String,
    "data_year": pl.Int32,
}
_PROPOSAL = {"candidate_rank": pl.Int64, "candidate_id": pl.String, "candidate_name": pl.String, "score": pl.Float64}


def proposals(
    unmapped: pl.DataFrame,
    *,
    usd_per_unit: Mapping[str, float] | None = None,
    least_score: float = LEAST_SCORE,
    most_candidates: int = MOST_CANDIDATES,
) -> pl.DataFrame:
    """Candidates for the names of `quality.unmapped`: substances for substances, companies for companies.

    Returns the columns of `unmapped`, and `candidate_rank` (1 is the most similar), `candidate_id` (substance_id or
    company_id), `candidate_name` (the known name that is similar) and `score` (0 to 100, rapidfuzz's weighted
    ratio). A name without a candidate of at least `least_score` has one row whose candidate columns are null; so has
    every name of another kind. Names with the largest sales come first: in US dollars where `usd_per_unit` has the
    worth of one unit of the currency in dollars, otherwise currency by currency; names without sales come last.

    Raises pl.exceptions.ColumnNotFoundError where `unmapped` lacks a column of that table.
    """
    names = unmapped.select(pl.col(name).cast(kind) for name, kind in _COLUMNS.items())
    parts = [
        _candidates(names.filter(pl.col("kind").is_in(kinds)), known, words, least_score, most_candidates)
        for kinds, known, words in (
            (("substance", "modality"), _known_substances(), _SUFFIX),
            (("company",), _known_companies(), _COMMON_WORDS),
        )
    ]
    found = pl.concat(parts)
    rates = usd_per_unit or {}
    in_usd = pl.col("value_at_stake") * pl.col("currency").replace_strict(
        list(rates), list(rates.values()), default=None, return_dtype=pl.Float64
    )
    return (
        names.join(found, on=["kind", "source_code", "name"], how="left")
        .with_columns(_usd=in_usd if rates else pl.lit(None, dtype=pl.Float64))
        .sort(
            ["_usd", "currency", "value_at_stake", "kind", "source_code", "name", "candidate_rank"],
            descending=[True, False, True, False, False, False, False],
            nulls_last=True,
        )
        .select(*_COLUMNS, *_PROPOSAL)
    )


def by_name(found: pl.DataFrame) -> pl.DataFrame:
    """`proposals` with a row for each name: `candidates` has known names with their scores, the most alike first."""
    candidate = pl.format("{} ({})", "candidate_id", pl.col("score").round().cast(pl.Int64))
    return found.group_by(*_COLUMNS, maintain_order=True).agg(
        candidate.drop_nulls().str.join(", ").replace("", None).alias("candidates")
    )


def _known_substances() -> pl.DataFrame:
    """Names of substances (`candidate_id`, `candidate_name`): English, Japanese, and every alias that is a name."""
    substance = vocabulary.table("substance")
    alias = vocabulary.table("substance_alias").filter(pl.col("alias_scheme") != "nhi_7")
    return _unique(
        substance.select("substance_id", "name_en"),
        substance.select("substance_id", "name_ja"),
        alias.select("substance_id", "alias"),
    )


def _known_companies() -> pl.DataFrame:
    """Names of companies (`candidate_id`, `candidate_name`): English and Japanese, and every alias."""
    company = vocabulary.table("company").filter(pl.col("kind") != "region")
    alias = vocabulary.table("company_alias")
    return _unique(
        company.select("company_id", pl.col("name_en").str.replace(r" \(.*\)$", "")),
        company.select("company_id", "name_ja"),
        alias.select("company_id", "alias"),
    )


def _unique(*names: pl.DataFrame) -> pl.DataFrame:
    """The names of all frames (id, name), in one spelling each."""
    renamed = [
        frame.rename(dict(zip(frame.columns, ("candidate_id", "candidate_name"), strict=True))) for frame in names
    ]
    return pl.concat(renamed).drop_nulls().unique(maintain_order=True)


def _comparable(name: str, words: str) -> pl.Expr:
    """A name without what does not tell names apart, where anything is left; else as the vocabulary compares it."""
    plain = pl.col(name).str.normalize("NFKC").str.to_lowercase()
    short = biologics.comparable(plain.str.replace_all(r"[.,'/&()]", " ").str.replace_all(words, " "))
    return pl.when(short.str.len_chars() > 1).then(short).otherwise(biologics.comparable(plain))


def _candidates(
    names: pl.DataFrame, known: pl.DataFrame, words: str, least_score: float, most_candidates: int
) -> pl.DataFrame:
    """The best candidates of every name (`kind`, `source_code`, `name` and the columns of a proposal)."""
    keys = names.select("kind", "source_code", "name", _name=_comparable("name", words))
    choices = known.with_columns(_name=_comparable("candidate_name", words)).with_row_index("_choice")
    scored = [_scores(part, choices["_name"], least_score) for part in keys.iter_slices(NAMES_AT_A_TIME)]
    schema = {column: _COLUMNS[column] for column in ("kind", "source_code", "name")} | _PROPOSAL
    if not scored:
        return pl.DataFrame(schema=schema)
    best = (
        pl.concat(scored)
        .join(choices.select("_choice", "candidate_id", "candidate_name"), on="_choice")
        .sort("score", "candidate_name", descending=[True, False])
        .unique(["kind", "source_code", "name", "candidate_id"], keep="first", maintain_order=True)
        .with_columns(candidate_rank=pl.int_range(1, pl.len() + 1).over("kind", "source_code", "name"))
        .filter(pl.col("candidate_rank") <= most_candidates)
    )
    return best.select(pl.col(column).cast(kind) for column, kind in schema.items())


def _scores(names: pl.DataFrame, choices: pl.Series, least_score: float) -> pl.DataFrame:
    """All pairs of a name and a choice (`_choice`, its position) that reach the least score."""
    matrix = process.cdist(
        names["_name"].to_list(), choices.to_list(), scorer=fuzz.WRatio, score_cutoff=least_score, dtype=np.float32
    )
    row, column = np.nonzero(matrix)
    pairs = pl.DataFrame(
        {"_row": row, "_choice": column, "score": matrix[row, column]},
        schema={"_row": pl.UInt32, "_choice": pl.UInt32, "score": pl.Float64},
    )
    return names.with_row_index("_row").join(pairs, on="_row").drop("_row", "_name")
