"""EU Industrial R&D Investment Scoreboard: the workbook of the world's top investors, one row per company.

Labels differ by edition: `R&D (€ million)` with a column `Year` (2023), `R&D 2021 (€million)` without one (2020 to
2022), `R&D 2018/19 (€million)` and `(€mn)` before; the sector is `Industry`, `Industry -ICB3 sector name` or
`Industrial sector (ICB-3D)`. Columns are found by label, never by position.
https://iri.jrc.ec.europa.eu/scoreboard
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import polars as pl

from ingest import areas, workbook
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

_YEAR_IN_LABEL = r"(?:(?P<year>20[0-9][0-9])(?:/[0-9][0-9])?)?"
_MILLION = r"\(€m(?:illio)?n\)"
# Labels in the form of `_comparable`; a column that must be there, and one that may.
_REQUIRED = {
    "company": r"company|companyname|name",
    "country": r"country",
    "sector": r"industry|industry-icb-?3sectorname|industrialsector\(icb-3d\)",
    "rnd": rf"r&d{_YEAR_IN_LABEL}{_MILLION}",
    "sales": rf"netsales{_YEAR_IN_LABEL}{_MILLION}",
}
_OPTIONAL = {"year": r"year", "intensity": rf"r&dintensity{_YEAR_IN_LABEL}\(%\)"}
_HEADER_WITHIN = 12
# Share of rows with a cell from which on a column is one of the table, and no remark beside it.
_COLUMN_IN_USE = 0.5
_FETCH = "Fetch it again; if the edition has other labels, the parser must follow."

_PHARMA = "Pharmaceuticals & Biotechnology"
# Contract manufacturers of biologics and groups that have such a business, as the Scoreboard names them.
_MAKERS = (
    *("AGC", "ASAHI KASEI", "DANAHER", "FUJIFILM", "LONZA", "NIKON", "NIPRO", "TAKARA", "TEIJIN"),
    *("THERMO FISHER SCIENTIFIC", "WUXI BIOLOGICS"),
)
_MAKER_NOTE = (
    "Contract manufacturer of biologics or group with such a business, in the sector {}; figures of the group."
)


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rows of one edition: R&D in whole euro, R&D over net sales as a fraction, net sales in whole euro.

    Each year of data is a partition. Companies without net sales or without an intensity are counted as
    `no_net_sales` and `no_intensity`, lines of text beside the columns as `footnote`; a row without a company, with
    an unknown country or with a figure that is no number is rejected. Raises LayoutError for another layout.
    """
    if len(files) != 1:
        _fail(", ".join(file.name for file in files), None, "one workbook is one edition", "Give one at a time.")
    file = files[0]
    sheet = _read(file)
    judged = _judged(sheet)
    good = judged.filter(pl.col("reason").is_null())
    years = good["year"].unique().to_list()
    if len(years) != 1:
        _fail(file.name, sheet.name, f"the companies have {len(years)} years of data, one is expected", _FETCH)
    rejected = judged.filter(pl.col("reason").is_not_null())
    return Parsed(
        {"rnd_observation": _rnd(good, file), "sales_observation": _sales(good, file)},
        rows_read=sheet.companies.height + sheet.footnotes,
        rejected=rejected.select(
            pl.lit("rnd_observation").alias("table_name"),
            pl.lit(file.name).alias("file_name"),
            "locator",
            "reason",
            pl.struct(*sheet.companies.columns).struct.json_encode().alias("raw"),
        ),
        dropped={
            rule: count
            for rule, count in (
                ("no_net_sales", good["sales_million"].null_count()),
                ("no_intensity", good["intensity_per_cent"].null_count()),
                ("footnote", sheet.footnotes),
            )
            if count
        },
        published_on=workbook.saved_on(file) or file.published_on,
        partition=f"year {years[0]}",
    )


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """R&D and net sales of pharmaceuticals and biotechnology and of contract manufacturers in other sectors."""
    rnd = tables["rnd_observation"].filter(
        (pl.col("measure") == "rnd_expense")
        & ((pl.col("activity_code") == _PHARMA) | pl.col("entity_name").is_in(_MAKERS))
    )
    kept = rnd["entity_name"].to_list()
    return {
        "rnd_observation": rnd,
        "sales_observation": tables["sales_observation"].filter(pl.col("seller_name").is_in(kept)),
    }


@dataclass(frozen=True)
class _Sheet:
    """The companies of an edition as text, in columns named as in `_REQUIRED` and `_OPTIONAL`, and their row."""

    name: str
    companies: pl.DataFrame
    year_of_label: int | None
    footnotes: int


def _read(file: SourceFile) -> _Sheet:
    found = workbook.sheets(file)
    for name, frame in found.items():
        heads = frame.head(_HEADER_WITHIN)
        for cells in heads.iter_rows(named=True):
            labels = {column: _comparable(cells[column]) for column in frame.columns if column != workbook.ROW}
            if any(re.fullmatch(_REQUIRED["company"], label) for label in labels.values()):
                return _companies(file, name, frame, int(cells[workbook.ROW]), labels)
    return _fail(
        file.name,
        None,
        f"none of the sheets {', '.join(found)} has a header with the column Company in its first rows",
        _FETCH,
    )


def _companies(file: SourceFile, name: str, frame: pl.DataFrame, header_row: int, labels: dict[str, str]) -> _Sheet:
    chosen: dict[str, str] = {}
    years: set[str] = set()
    for key, pattern in (_REQUIRED | _OPTIONAL).items():
        matches = {column: match for column, label in labels.items() if (match := re.fullmatch(pattern, label))}
        if len(matches) > 1 or (not matches and key in _REQUIRED):
            _fail(
                file.name,
                name,
                f"{len(matches)} columns are labelled as {key} (pattern {pattern}); the labels are "
                + ", ".join(label for label in labels.values() if label),
                _FETCH,
            )
        for column, match in matches.items():
            chosen[key] = column
            if "year" in match.groupdict() and match["year"]:
                years.add(match["year"])
    if len(years) > 1 or (not years and "year" not in chosen):
        _fail(file.name, name, f"the year of the data is told {len(years)} times by the labels", _FETCH)
    is_blank = pl.all_horizontal(pl.exclude(workbook.ROW).is_null())
    below = frame.filter((pl.col(workbook.ROW) > header_row) & ~is_blank)
    companies = below.select(
        pl.format(f"sheet {name} row {{}}", workbook.ROW).alias("locator"),
        *(pl.col(column).alias(key) for key, column in chosen.items()),
        *(pl.lit(None, dtype=pl.String).alias(key) for key in _OPTIONAL if key not in chosen),
    ).filter(~pl.all_horizontal(pl.col(key).is_null() for key in chosen))
    if not companies.height:
        _fail(file.name, name, "the table has no rows", _FETCH)
    filled = below.select(pl.exclude(workbook.ROW).is_not_null().mean() > _COLUMN_IN_USE).row(0, named=True)
    nameless = [column for column, is_used in filled.items() if is_used and not labels[column]]
    if nameless:
        _fail(
            file.name,
            name,
            f"column {int(nameless[0][1:]) + 1} holds data and has no label: the header is shifted",
            _FETCH,
        )
    return _Sheet(name, companies, int(years.pop()) if years else None, below.height - companies.height)


def _judged(sheet: _Sheet) -> pl.DataFrame:
    """The companies with their figures as numbers, their country, and the reason why a row cannot be taken."""
    year = pl.lit(sheet.year_of_label) if sheet.year_of_label else pl.col("year").cast(pl.Float64, strict=False)
    countries = areas.names()
    name = pl.col("country").str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s+", " ")
    frame = sheet.companies.with_columns(
        pl.col("company").str.normalize("NFKC").str.replace_all(r"\s+", " "),
        pl.col("sector").str.replace_all(r"\s+", " "),
        name.replace_strict(countries, default=None, return_dtype=pl.String).alias("iso3"),
        _slug(pl.col("company")).alias("slug"),
        year.cast(pl.Int32, strict=False).alias("year"),
        *(
            pl.col(column).cast(pl.Float64, strict=False).alias(number)
            for column, number in (
                ("rnd", "rnd_million"),
                ("sales", "sales_million"),
                ("intensity", "intensity_per_cent"),
            )
        ),
    )

    def unread(column: str, number: str) -> pl.Expr:
        bad = pl.col(column).is_not_null() & ~pl.col(number).is_finite().fill_null(value=False)
        return pl.when(bad).then(pl.format(f"{column} is no number: {{}}", column))

    return frame.with_columns(
        pl.concat_str(
            pl.when(pl.col("slug").fill_null("") == "").then(pl.lit("the company has no name")),
            pl.when(pl.col("iso3").is_null()).then(
                pl.format("{} is no country of the vocabulary", pl.col("country").fill_null("an empty cell"))
            ),
            pl.when(pl.col("sector").is_null()).then(pl.lit("the sector is missing")),
            pl.when(pl.col("year").is_null()).then(pl.lit("the year is missing")),
            pl.when(pl.col("rnd").is_null()).then(pl.lit("R&D is missing")),
            pl.when(pl.col("rnd_million") < 0).then(pl.lit("R&D is negative")),
            unread("rnd", "rnd_million"),
            unread("sales", "sales_million"),
            unread("intensity", "intensity_per_cent"),
            separator="; ",
            ignore_nulls=True,
        )
        .replace("", None)
        .alias("reason")
    )


def _slug(name: pl.Expr) -> pl.Expr:
    """A stable id from a name: letters without marks, lower case, anything else as one underscore."""
    plain = name.str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_lowercase()
    return plain.str.replace_all(r"[^a-z0-9]+", "_").str.strip_chars("_")


def _rnd(companies: pl.DataFrame, file: SourceFile) -> pl.DataFrame:
    is_maker = pl.col("company").is_in(_MAKERS)
    shared = companies.with_columns(
        pl.when(is_maker).then(pl.format(_MAKER_NOTE, "sector")).alias("note"),
    )
    measures = pl.concat(
        [
            shared.with_columns(
                measure=pl.lit("rnd_expense"),
                unit=pl.lit("currency"),
                currency=pl.lit("EUR"),
                price_base=pl.lit("current"),
                value=(pl.col("rnd_million") * 1e6).round(),
            ),
            shared.filter(pl.col("intensity_per_cent").is_not_null()).with_columns(
                measure=pl.lit("rnd_sales_share"),
                unit=pl.lit("share"),
                currency=pl.lit(None, dtype=pl.String),
                price_base=pl.lit("none"),
                value=(pl.col("intensity_per_cent") / 100).round_sig_figs(15),
            ),
        ]
    )
    return measures.select(
        pl.lit("company").alias("entity_kind"),
        pl.col("slug").alias("entity_code"),
        pl.col("company").alias("entity_name"),
        pl.col("iso3").alias("entity_iso3"),
        pl.lit("headquarters").alias("lens"),
        pl.lit("ICB").alias("activity_scheme"),
        pl.col("sector").alias("activity_code"),
        pl.lit("main_activity").alias("criteria"),
        "measure",
        *_period(),
        "unit",
        "currency",
        "price_base",
        "value",
        "locator",
        "note",
        pl.lit(file.sha256).alias("file_sha256"),
    )


def _sales(companies: pl.DataFrame, file: SourceFile) -> pl.DataFrame:
    return companies.filter(pl.col("sales_million").is_not_null()).select(
        pl.lit("total").alias("row_kind"),
        pl.lit("All products").alias("product_name"),
        pl.col("company").alias("seller_name"),
        pl.lit("WLD").alias("market_iso3"),
        pl.lit("all").alias("setting"),
        pl.lit("all").alias("route"),
        *_period(),
        pl.lit("company_net").alias("price_basis"),
        (pl.col("sales_million") * 1e6).round().alias("value"),
        pl.lit("EUR").alias("currency"),
        "locator",
        pl.lit(file.sha256).alias("file_sha256"),
    )


def _period() -> list[pl.Expr]:
    # Fiscal years that end in different months stand under one label.
    return [
        pl.date("year", 1, 1).alias("period_start"),
        pl.date("year", 12, 31).alias("period_end"),
        pl.lit("reference_year").alias("period_basis"),
    ]


def _comparable(label: str | None) -> str:
    return re.sub(r"\s+", "", label or "").lower()


def _fail(name: str, sheet: str | None, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, sheet=sheet, remedy=remedy)
