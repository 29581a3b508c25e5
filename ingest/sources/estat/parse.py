"""Survey of Research and Development (government statistics 00200543) from the e-Stat API to `rnd_observation`.

Tables of the survey differ in how many classes they have and what they call them, so that a value is placed by the
names of its codes: exactly one of them must be a declared item, one a declared industry, and every other one a total.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ingest import estat_api
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

SURVEY_CODE = "00200543"
# Names in the form of `_comparable`: NFKC, without blanks and without leading numbering.
ITEMS = {
    "社内使用研究費": "berd",
    "社内使用研究費総額": "berd",
    "内部使用研究費": "berd",
    "内部使用研究費総額": "berd",
}
# Industries of the survey: its own activity codes, as in the curated table of the survey.
INDUSTRIES = {"全産業": ("_T", "全産業"), "医薬品製造業": ("165", "医薬品製造業")}
_TOTALS = ("総数", "総額", "合計", "計", "全国", "全規模", "実数", "金額")
_UNITS = {"円": 1.0, "千円": 1e3, "万円": 1e4, "百万円": 1e6, "億円": 1e8}
_FISCAL_YEAR = r"^([0-9]{4})100000$"


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Canonical rows of one table of the survey, given as all its pages; values in whole yen.

    Values of items or industries that are not declared, or of parts of a total, are counted as `item_not_declared`,
    `industry_not_declared` and `breakdown_not_taken`; marks for what was not surveyed or does not exist as
    `no_value`; hidden values (`X`) are kept as null. A unit that is not declared or a period that is no fiscal year
    is rejected. Raises EstatError for an error message of the service, and LayoutError for a table of another survey
    or one that holds no declared item.
    """
    table = estat_api.read(files, SURVEY_CODE)
    name = ", ".join(file.name for file in files)
    if "time" not in table.classes:
        raise LayoutError(
            f"table {table.table_id} has no class `time`", file=name, remedy="Give a table with periods."
        )
    judged = _judged(table)
    if judged["item"].null_count() == judged.height or judged["industry"].null_count() == judged.height:
        raise LayoutError(
            f"table {table.table_id} ({table.title}) holds no declared item or no declared industry",
            file=name,
            remedy=f"Items: {', '.join(ITEMS)}; industries: {', '.join(INDUSTRIES)}. Extend them after review.",
        )
    good = judged.filter(pl.col("rule").is_null() & pl.col("reason").is_null())
    rejected = judged.filter(pl.col("reason").is_not_null())
    names = {file.sha256: file.name for file in files}
    dropped = judged["rule"].drop_nulls().value_counts()
    return Parsed(
        {"rnd_observation": _canonical(good, table)},
        rows_read=table.values.height + table.rejected.height,
        rejected=pl.concat(
            [
                table.rejected,
                rejected.select(
                    pl.col("file_sha256").replace_strict(names, return_dtype=pl.String).alias("file_name"),
                    "locator",
                    "reason",
                    pl.format("{} {}: {}", "path", pl.col("unit").fill_null("?"), "text").alias("raw"),
                ),
            ]
        ).with_columns(pl.lit("rnd_observation").alias("table_name")),
        dropped=dict(dropped.iter_rows()),
        published_on=table.updated_on,
        partition=f"table {table.table_id}",
    )


def _judged(table: estat_api.Table) -> pl.DataFrame:
    """Values with their item, industry and fiscal year, the rule that leaves them out or the reason against them."""
    others = [name for name in table.classes if name not in {"time"}]
    frame = table.values.with_columns(
        *(
            _comparable(
                pl.col(name).replace_strict(table.classes[name].labels, default=None, return_dtype=pl.String)
            ).alias(f"label_{name}")
            for name in others
        )
    )
    labels = [pl.col(f"label_{name}") for name in others]

    def only(declared: list[str]) -> pl.Expr:
        """The one declared name among the labels of a value; null where there is none or several."""
        found = pl.concat_list([pl.when(label.is_in(declared)).then(label) for label in labels]).list.drop_nulls()
        return pl.when(found.list.len() == 1).then(found.list.first())

    known = [*ITEMS, *INDUSTRIES, *_TOTALS]
    # A class with a single code, such as the kind of figure, divides nothing.
    dividing = [pl.col(f"label_{name}") for name in others if len(table.classes[name].labels) > 1]
    is_part = pl.any_horizontal([~label.is_in(known) for label in dividing] or [pl.lit(value=False)])
    year = pl.col("time").str.extract(_FISCAL_YEAR).cast(pl.Int32)
    frame = frame.with_columns(
        only(list(ITEMS)).alias("item"),
        only(list(INDUSTRIES)).alias("industry"),
        year.alias("year"),
        pl.concat_str(labels, separator=" / ", ignore_nulls=True).alias("path"),
        is_part.alias("is_part"),
    )
    rule = (
        pl.when(pl.col("item").is_null())
        .then(pl.lit("item_not_declared"))
        .when(pl.col("industry").is_null())
        .then(pl.lit("industry_not_declared"))
        .when("is_part")
        .then(pl.lit("breakdown_not_taken"))
        .when(pl.col(estat_api.MARK).is_not_null() & ~pl.col(estat_api.MARK).is_in(list(estat_api.HIDDEN_MARKS)))
        .then(pl.lit("no_value"))
    )
    reason = pl.concat_str(
        pl.when(~_comparable(pl.col("unit")).is_in(list(_UNITS)).fill_null(value=False)).then(
            pl.format("the unit {} is not declared", pl.col("unit").fill_null("(none)"))
        ),
        pl.when(pl.col("year").is_null()).then(pl.format("the period {} is no fiscal year", "time")),
        separator="; ",
        ignore_nulls=True,
    ).replace("", None)
    return frame.with_columns(rule.alias("rule")).with_columns(
        pl.when(pl.col("rule").is_null()).then(reason).alias("reason")
    )


def _canonical(values: pl.DataFrame, table: estat_api.Table) -> pl.DataFrame:
    multiplier = _comparable(pl.col("unit")).replace_strict(_UNITS, return_dtype=pl.Float64)
    codes = {name: code for name, (code, _) in INDUSTRIES.items()}
    is_hidden = pl.col(estat_api.MARK).is_not_null()
    return values.select(
        pl.lit("country").alias("entity_kind"),
        pl.lit("JPN").alias("entity_code"),
        pl.lit("Japan").alias("entity_name"),
        pl.lit("JPN").alias("entity_iso3"),
        pl.lit("territory").alias("lens"),
        pl.lit("JSIC").alias("activity_scheme"),
        pl.col("industry").replace_strict(codes, return_dtype=pl.String).alias("activity_code"),
        pl.col("industry").alias("activity_name"),
        pl.lit("main_activity").alias("criteria"),
        pl.col("item").replace_strict(ITEMS, return_dtype=pl.String).alias("measure"),
        pl.date("year", 4, 1).alias("period_start"),
        pl.date(pl.col("year") + 1, 3, 31).alias("period_end"),
        pl.lit("fiscal_year").alias("period_basis"),
        pl.lit("national_currency").alias("unit"),
        pl.lit("JPY").alias("currency"),
        pl.lit("current").alias("price_base"),
        (pl.col(estat_api.VALUE) * multiplier).round_sig_figs(15).alias("value"),
        pl.when(is_hidden).then(pl.lit("suppressed")).otherwise(pl.lit("reported")).alias("status"),
        pl.col(estat_api.MARK).alias("publisher_flags"),
        pl.format(f"table {table.table_id} {{}}", "locator").alias("locator"),
        "file_sha256",
    )


def _comparable(text: pl.Expr) -> pl.Expr:
    """A name as the declarations compare it: NFKC, without blanks, without numbering such as `1_` or `(1)`."""
    plain = text.str.normalize("NFKC").str.replace_all(r"\s+", "")
    return plain.str.replace(r"^(\([0-9]+\)|[0-9A-Z]+[_.])", "")
