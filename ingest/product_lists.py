"""What agencies' lists of products have in common: how files, names, routes and flags of such a list are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl

from ingest.errors import LayoutError
from ingest.source import SourceFile

_ROUTES = {
    "injection": (
        "EPIDURAL",
        "INFILTRATION",
        "INJECTION",
        "INTRA-ARTERIAL",
        "INTRA-ARTICULAR",
        "INTRABURSAL",
        "INTRACARDIAC",
        "INTRACAUDAL",
        "INTRACAVERNOUS",
        "INTRACORONARY",
        "INTRADERMAL",
        "INTRADETRUSOR",
        "INTRAGLANDULAR",
        "INTRALESIONAL",
        "INTRALYMPHATIC",
        "INTRAMEDULLARY",
        "INTRAMUSCULAR",
        "INTRAOCULAR",
        "INTRAPERITONEAL",
        "INTRAPLEURAL",
        "INTRASPINAL",
        "INTRASYNOVIAL",
        "INTRATHECAL",
        "INTRATUMOR",
        "INTRAVASCULAR",
        "INTRAVENOUS",
        "INTRAVENTRICULAR",
        "INTRAVITREAL",
        "PARENTERAL",
        "PERINEURAL",
        "RETROBULBAR",
        "SOFT TISSUE",
        "SUBARACHNOID",
        "SUBCONJUNCTIVAL",
        "SUBCUTANEOUS",
        "SUBRETINAL",
    ),
    "oral": ("ORAL", "SUBLINGUAL"),
    "topical": (
        "AURICULAR (OTIC)",
        "CONJUNCTIVAL",
        "CUTANEOUS",
        "INHALATION",
        "NASAL",
        "OPHTHALMIC",
        "RECTAL",
        "RESPIRATORY (INHALATION)",
        "TOPICAL",
        "TRANSDERMAL",
        "VAGINAL",
    ),
    "dental": ("DENTAL", "PERIODONTAL", "SUBGINGIVAL"),
}
_GROUP_OF_ROUTE = {route: group for group, routes in _ROUTES.items() for route in routes}

# Other than printable ASCII with single blanks between words.
_NOT_NORMAL = r"[^\x20-\x7e]|  |^ | $|^$"


def only(files: Sequence[SourceFile]) -> SourceFile:
    """The one file of an edition; raises LayoutError where there are several or none."""
    if len(files) != 1:
        raise LayoutError(
            f"an edition is one file, not {len(files)}",
            file=", ".join(file.name for file in files),
            remedy="Load each file on its own.",
        )
    return files[0]


def obtained_on(file: SourceFile) -> date | None:
    """The day that the sidecar tells: of publication, else of the fetch; None for a file without one."""
    return file.published_on or (file.fetched_at.date() if file.fetched_at else None)


def normal(value: pl.Expr) -> pl.Expr:
    """Text in half width (NFKC), runs of blanks and line breaks as one blank; null where nothing is left."""

    def converted(texts: pl.Series) -> pl.Series:
        # Most text is normal as it is, which is told in a tenth of the time that making it so takes.
        odd = texts.str.contains(_NOT_NORMAL).fill_null(value=False)
        if not odd.any():
            return texts
        text = pl.col(texts.name)
        rule = text.str.normalize("NFKC").str.replace_all(r"\s+", " ").str.strip_chars().replace("", None)
        places = odd.arg_true()
        return texts.clone().scatter(places, texts.gather(places).to_frame().select(rule).to_series())

    return value.map_batches(converted, return_dtype=pl.String, is_elementwise=True)


def route_group(value: pl.Expr, separator: str) -> pl.Expr:
    """Route group of a list of routes: the one group that all belong to, `other` where they differ; null for none."""

    def group(text: pl.Expr) -> pl.Expr:
        routes = normal(text).str.to_uppercase().str.split(separator)
        groups = routes.list.eval(
            pl.element().str.strip_chars().replace_strict(_GROUP_OF_ROUTE, default="other", return_dtype=pl.String)
        ).list.unique()
        return (
            pl.when(groups.list.len() == 1).then(groups.list.first()).when(groups.is_not_null()).then(pl.lit("other"))
        )

    return _per_distinct(value, group)


def _per_distinct(value: pl.Expr, rule: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """Text by a rule that is applied once to each distinct text: a list repeats few names and routes many times."""

    def applied(texts: pl.Series) -> pl.Series:
        texts = texts.alias("text")
        found = texts.unique().to_frame().with_columns(rule(pl.col("text")).alias("result"))
        return (
            texts.to_frame()
            .join(found, on="text", how="left", nulls_equal=True, maintain_order="left")
            .get_column("result")
        )

    return value.map_batches(applied, return_dtype=pl.String, is_elementwise=True)


def joined(*parts: pl.Expr, separator: str) -> pl.Expr:
    """The parts that are not null, in one text; null where there is none."""
    return pl.concat_str(parts, separator=separator, ignore_nulls=True).replace("", None)


def rejected(frame: pl.DataFrame, file: SourceFile, table: str) -> pl.DataFrame:
    """Rows that cannot be read, from a frame of three columns: locator, reason, raw text."""
    frame.columns = ["locator", "reason", "raw"]
    return frame.with_columns(pl.lit(table).alias("table_name"), pl.lit(file.name).alias("file_name"))
