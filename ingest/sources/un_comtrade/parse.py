"""UN Comtrade: answers of the service of today (JSON) and tables of the retired service (CSV), to `trade_flow`.

The fields of the answers are described at https://comtradeapi.un.org/files/v1/app/reference/TradeDataItems.json; the
retired tables have 35 columns and came from `comtrade.un.org/api/get?...&fmt=csv`. Both state values in US dollars
and weights in kilograms.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from ingest import trade
from ingest.celltext import half_width
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

TABLE = "trade_flow"
FLOWS = {"M": "import", "X": "export", "RM": "re_import", "RX": "re_export"}
# Flows that are part of M or X: goods for processing, and trade of foreign-owned or domestic origin.
PART_FLOWS = ("MIP", "XIP", "MOP", "XOP", "MIF", "XIF", "DX", "FM")
LEGACY_FLOWS = {"1": "import", "2": "export", "3": "re_export", "4": "re_import"}
REVISIONS = {
    "HS": trade.UNNAMED_REVISION,
    "H0": "HS1992",
    "H1": "HS1996",
    "H2": "HS2002",
    "H3": "HS2007",
    "H4": "HS2012",
    "H5": "HS2017",
    "H6": "HS2022",
}
# Most rows that a call of the public preview returns, and round numbers at which the full service cuts answers off.
PREVIEW_LIMIT = 500
FULL_LIMITS = (100_000, 250_000)

FIELDS = (
    "typeCode",
    "freqCode",
    "refYear",
    "refMonth",
    "period",
    "reporterCode",
    "flowCode",
    "partnerCode",
    "partner2Code",
    "classificationCode",
    "isOriginalClassification",
    "cmdCode",
    "customsCode",
    "motCode",
    "netWgt",
    "isNetWgtEstimated",
    "cifvalue",
    "fobvalue",
    "primaryValue",
    "legacyEstimationFlag",
    "isReported",
    "isAggregate",
)
LEGACY_HEADER = (
    "Classification",
    "Year",
    "Period",
    "Period Desc.",
    "Aggregate Level",
    "Is Leaf Code",
    "Trade Flow Code",
    "Trade Flow",
    "Reporter Code",
    "Reporter",
    "Reporter ISO",
    "Partner Code",
    "Partner",
    "Partner ISO",
    "2nd Partner Code",
    "2nd Partner",
    "2nd Partner ISO",
    "Customs Proc. Code",
    "Customs",
    "Mode of Transport Code",
    "Mode of Transport",
    "Commodity Code",
    "Commodity",
    "Qty Unit Code",
    "Qty Unit",
    "Qty",
    "Alt Qty Unit Code",
    "Alt Qty Unit",
    "Alt Qty",
    "Netweight (kg)",
    "Gross weight (kg)",
    "Trade Value (US$)",
    "CIF Trade Value (US$)",
    "FOB Trade Value (US$)",
    "Flag",
)
_ANSWER_REMEDY = "Ask again; if the service changed its answers, the parser must follow."
_TAIWAN = "490"
_TAIWAN_NOTE = "The partner is published as Other Asia, not elsewhere specified (490), and read as Taiwan."
_ALL_PROCEDURES = "C00"
_ANNUAL_MONTH = 52


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Trade flows of the files of one edition, all in one layout; values in US dollars, weights in kilograms.

    Answers of the service yield a part for each frequency, reporter and heading (`annual-JPN-3002`), so that
    each is renewed as a whole; retired tables yield one part (`legacy-monthly-2019`). Raises LayoutError for another
    layout, an answer that is an error message, or one that was cut off at the service's limit of rows.
    """
    legacy = [file for file in files if not _is_json(file)]
    if legacy and len(legacy) < len(files):
        raise LayoutError(
            "tables of the retired service are mixed with answers of today's",
            file=legacy[0].name,
            remedy="Give files of one layout as one edition.",
        )
    if legacy:
        return _legacy_edition(files)
    return _edition(files)


def trim(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The bundled share: yearly sums of months, of what Japan reports and of what others report of Japan.

    `note` says how many months were added up, and in how many months of the year the reporter reported at all: fewer
    than twelve make the sum one of a part of the year.
    """
    rows = tables[TABLE].with_columns(year=pl.col("period_start").dt.year())
    reported = rows.group_by("edition_id", "reporter_iso3", "year").agg(reported=pl.col("period_start").n_unique())
    japan = (pl.col("reporter_iso3") == "JPN") | (pl.col("partner_iso3") == "JPN")
    added_up = {"value_usd", "net_weight_kg", "period_start", "period_end", "period_basis", "locator"}
    honesty = {"status", "value_origin", "publisher_flags", "note"}
    same = [name for name in rows.columns if name not in added_up | honesty]
    sums = (
        rows.filter(japan & (pl.col("period_basis") == "month"))
        .group_by(same, maintain_order=True)
        .agg(
            pl.col("value_usd").sum(),
            # A weight that is missing in one month makes the year's weight unknown.
            net_weight_kg=pl.when(pl.col("net_weight_kg").is_not_null().all()).then(pl.col("net_weight_kg").sum()),
            period_start=pl.col("period_start").min().dt.truncate("1y"),
            period_end=pl.col("period_start").min().dt.truncate("1y").dt.offset_by("1y").dt.offset_by("-1d"),
            locator=pl.format("lines {}", pl.col("locator").str.strip_prefix("line ").str.join(", ")),
            publisher_flags=pl.col("publisher_flags").drop_nulls().unique().sort().str.join(","),
            note=pl.col("note").drop_nulls().first(),
            months=pl.len(),
        )
        .join(reported, on=["edition_id", "reporter_iso3", "year"], how="left", maintain_order="left")
    )
    return {
        TABLE: sums.with_columns(
            pl.col("publisher_flags").replace("", None),
            period_basis=pl.lit("calendar_year"),
            status=pl.lit("derived"),
            value_origin=pl.lit("computed"),
            note=pl.concat_str(
                pl.format("Sum of monthly reports: months_with_trade={}, months_reported={}.", "months", "reported"),
                "note",
                separator=" ",
                ignore_nulls=True,
            ),
        ).select(tables[TABLE].columns)
    }


def _is_json(file: SourceFile) -> bool:
    with file.path.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))


def _edition(files: Sequence[SourceFile]) -> Parsed:
    read = [rows for file in files if (rows := _answer(file)).height]
    if not read:
        raise LayoutError(
            "the answers hold no row",
            file=", ".join(file.name for file in files),
            remedy="Nothing is published for what was asked: check reporter, commodity and period.",
        )
    found = _sorted_out(pl.concat(read))
    rows = found.rows
    digest = hashlib.sha256("".join(sorted(file.sha256 for file in files)).encode()).hexdigest()
    heading = pl.when(pl.col("hs_code") == "TOTAL").then("hs_code").otherwise(pl.col("hs_code").str.slice(0, 4))
    frequency = pl.when(pl.col("period_basis") == "month").then(pl.lit("monthly")).otherwise(pl.lit("annual"))
    named = rows.with_columns(part=pl.concat_str(frequency, "reporter_iso3", heading, separator="-"))
    parts = named.partition_by("part", as_dict=True, maintain_order=False)
    names = sorted(str(name) for (name,) in parts)
    states = [
        Parsed(
            {TABLE: parts[name,].drop("part")},
            rows_read=parts[name,].height,
            partition=name,
            # One part makes an edition of its files; of several, each has an id of its own.
            identity=f"{name} {digest}" if len(names) > 1 else None,
        )
        for name in names
    ]
    if not states:
        return Parsed({TABLE: rows}, rows_read=found.rows_read, rejected=found.rejected, dropped=found.dropped)
    last = states[-1]
    last.rows_read = found.rows_read - sum(state.rows_read for state in states[:-1])
    last.rejected, last.dropped, last.earlier = found.rejected, found.dropped, states[:-1]
    return last


def _legacy_edition(files: Sequence[SourceFile]) -> Parsed:
    # Blocks keep the 35 columns of text from being held for all rows. The rows themselves are: the name of the part
    # is made of the years of those that can be used, and the service returned no more than 250,000 of them.
    blocks = [_sorted_out(block) for file in files for block in _legacy_blocks(file)]
    rows = pl.concat(block.rows for block in blocks)
    years = sorted({day.year for day in rows["period_start"].unique()})
    if not years:
        raise LayoutError(
            "the table holds no usable row", file=", ".join(file.name for file in files), remedy=_ANSWER_REMEDY
        )
    bases = {"month": "monthly", "calendar_year": "annual"}
    frequencies = [name for basis, name in bases.items() if basis in rows["period_basis"]]
    span = f"{years[0]}" if len(years) == 1 else f"{years[0]}-{years[-1]}"
    return Parsed(
        # The service is retired: its tables live on in copies that others keep.
        {TABLE: rows.with_columns(value_origin=pl.lit("republished_copy"))},
        rows_read=sum(block.rows_read for block in blocks),
        rejected=pl.concat(block.rejected for block in blocks),
        dropped=dict(sum((Counter(block.dropped) for block in blocks), Counter())),
        partition=f"legacy-{'-'.join(frequencies)}-{span}",
    )


def _answer(file: SourceFile) -> pl.DataFrame:
    """Rows of one answer; LayoutError for an error message or a cut-off answer."""
    try:
        body = pl.read_json(file.path, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        raise LayoutError(f"the answer cannot be read ({error})", file=file.name, remedy=_ANSWER_REMEDY) from error
    _refuse_error_message(body, file)
    kind = body.schema["data"]
    count = body["count"].cast(pl.Int64, strict=False)[0] if "count" in body.columns else None
    length = body["data"].list.len()[0] if isinstance(kind, pl.List) else None
    if length is None or count != length:
        raise LayoutError(
            f"the answer says that it holds {count} rows, and holds {length}", file=file.name, remedy=_ANSWER_REMEDY
        )
    _refuse_cut_off(file, length)
    if length == 0:
        return pl.DataFrame()
    if not isinstance(kind, pl.List) or not isinstance(kind.inner, pl.Struct):
        raise LayoutError("the answer's data are no records", file=file.name, remedy=_ANSWER_REMEDY)
    types = {field.name: field.dtype for field in kind.inner.fields}
    missing = [name for name in FIELDS if name not in types or types[name].is_nested()]
    if missing:
        raise LayoutError(
            f"the records lack {', '.join(missing)}, or hold lists there",
            file=file.name,
            remedy="Compare them with the fields of the service; if it renamed them, the parser must follow.",
        )
    records = body.select(pl.col("data").explode()).unnest("data").select(FIELDS)
    text = [name for name in FIELDS if name not in ("netWgt", "cifvalue", "fobvalue", "primaryValue")]
    records = records.with_columns(pl.col(text).cast(pl.String))
    annual = (
        (pl.col("freqCode") == "A")
        & (pl.col("refMonth") == str(_ANNUAL_MONTH))
        & (pl.col("period") == pl.col("refYear"))
    )
    monthly = (pl.col("freqCode") == "M") & (
        pl.col("period") == pl.concat_str("refYear", pl.col("refMonth").str.zfill(2))
    )
    estimated = (pl.col("isReported") == "false") & (pl.col("isAggregate") == "false")
    flag = half_width(pl.col("legacyEstimationFlag"))
    return records.select(
        # A period that the year and month beside it contradict has no meaning.
        period=pl.when((annual | monthly).fill_null(False)).then("period"),
        period_as_published=pl.concat_str("freqCode", "period", "refMonth", separator="/", ignore_nulls=True),
        flow=pl.col("flowCode").replace_strict(FLOWS, default=None, return_dtype=pl.String),
        flow_as_published="flowCode",
        reporter="reporterCode",
        partner="partnerCode",
        hs_revision=_revision("classificationCode"),
        classification="classificationCode",
        commodity="cmdCode",
        is_goods=pl.col("typeCode") == "C",
        is_breakdown=(pl.col("partner2Code") != "0")
        | (pl.col("motCode") != "0")
        | (pl.col("customsCode") != _ALL_PROCEDURES),
        value=trade.number("primaryValue"),
        cif=trade.number("cifvalue"),
        fob=trade.number("fobvalue"),
        weight=trade.number("netWgt"),
        is_unreadable=trade.unreadable("primaryValue", "cifvalue", "fobvalue", "netWgt"),
        status=pl.when(estimated).then(pl.lit("estimated")).otherwise(pl.lit("reported")),
        publisher_flags=pl.concat_str(
            pl.when(pl.col("isReported") == "false").then(pl.lit("isReported=false")),
            pl.when(pl.col("isAggregate") == "true").then(pl.lit("isAggregate")),
            pl.when(pl.col("isNetWgtEstimated") == "true").then(pl.lit("isNetWgtEstimated")),
            pl.when(flag != "0").then(pl.format("legacyEstimationFlag={}", flag)),
            pl.when(pl.col("isOriginalClassification") == "false").then(pl.lit("isOriginalClassification=false")),
            separator=",",
            ignore_nulls=True,
        ).replace("", None),
        is_blank=pl.lit(False),
        locator=pl.format("data[{}]", pl.int_range(pl.len())),
        file_name=pl.lit(file.name),
        file_sha256=pl.lit(file.sha256),
    )


def _refuse_error_message(body: pl.DataFrame, file: SourceFile) -> None:
    """Raise LayoutError for the bodies with which the service says no, whatever their HTTP status was."""
    told = [
        str(body[name][0])
        for name in ("statusCode", "message", "error")
        if name in body.columns and body[name][0] not in (None, "", [])
    ]
    if told or "data" not in body.columns:
        raise LayoutError(
            f"the service answered with an error: {' '.join(told)[:200] or 'no data'}",
            file=file.name,
            remedy="Check the key and the day's quota, and ask again.",
        )


def _refuse_cut_off(file: SourceFile, length: int) -> None:
    is_preview = "preview" in file.name.lower() or "/preview/" in (file.url or "")
    if (is_preview and length >= PREVIEW_LIMIT) or length in FULL_LIMITS:
        raise LayoutError(
            f"the answer holds {length:,} rows, the most that the service returns: it is probably cut off",
            file=file.name,
            remedy="Ask for fewer periods or commodities at a time.",
        )


def _legacy_blocks(file: SourceFile) -> Iterator[pl.DataFrame]:
    """Rows of a table of the retired service; LayoutError for other columns."""
    for block in trade.read_blocks(file):
        trade.require_columns(block, LEGACY_HEADER, file.name)
        yield _legacy_rows(block, file)


def _legacy_rows(table: pl.DataFrame, file: SourceFile) -> pl.DataFrame:
    breakdowns = ("2nd Partner Code", "Customs Proc. Code", "Mode of Transport Code")
    flag = half_width(pl.col("Flag"))
    return table.select(
        period=pl.when(pl.col("Period").str.slice(0, 4) == pl.col("Year")).then("Period"),
        period_as_published="Period",
        flow=pl.col("Trade Flow Code").replace_strict(LEGACY_FLOWS, default=None, return_dtype=pl.String),
        flow_as_published="Trade Flow Code",
        reporter="Reporter Code",
        partner="Partner Code",
        hs_revision=_revision("Classification"),
        classification="Classification",
        commodity="Commodity Code",
        is_goods=pl.lit(True),
        is_breakdown=pl.any_horizontal(
            ~pl.col(name).fill_null("0").is_in(["0", _ALL_PROCEDURES]) for name in breakdowns
        ),
        value=trade.number("Trade Value (US$)"),
        cif=trade.number("CIF Trade Value (US$)"),
        fob=trade.number("FOB Trade Value (US$)"),
        weight=trade.number("Netweight (kg)"),
        is_unreadable=trade.unreadable(
            "Trade Value (US$)", "CIF Trade Value (US$)", "FOB Trade Value (US$)", "Netweight (kg)"
        ),
        # The flag is about quantity and weight (2, 4, or 6 for both), never about the value.
        status=pl.lit("reported"),
        publisher_flags=pl.when(flag.fill_null("0") != "0").then(pl.format("Flag={}", flag)),
        is_blank=pl.all_horizontal(pl.col(LEGACY_HEADER).is_null()),
        locator=pl.format("line {}", "line"),
        file_name=pl.lit(file.name),
        file_sha256=pl.lit(file.sha256),
    )


def _revision(column: str) -> pl.Expr:
    return pl.col(column).replace_strict(REVISIONS, default=None, return_dtype=pl.String)


@dataclass(frozen=True)
class _SortedOut:
    """Canonical rows, rejected rows, how many rows each rule left out, and how many there were."""

    rows: pl.DataFrame
    rejected: pl.DataFrame
    dropped: dict[str, int]
    rows_read: int


def _sorted_out(read: pl.DataFrame) -> _SortedOut:
    areas = trade.with_area(trade.with_area(read, "reporter", "comtrade_area"), "partner", "comtrade_area")
    is_group = pl.any_horizontal(pl.col("reporter_kind", "partner_kind") == "group")
    frame = areas.with_columns(
        rule=pl.when("is_blank")
        .then(pl.lit("blank_row"))
        .when("is_breakdown")
        .then(pl.lit("broken_down_by_transport_procedure_or_second_partner"))
        .when(pl.col("flow_as_published").is_in(PART_FLOWS))
        .then(pl.lit("flow_that_is_part_of_another"))
        .when(is_group.fill_null(False))
        .then(pl.lit("group_of_countries")),
        reason=_reason(),
    ).collect()
    kept = pl.col("rule").is_null()
    bad = frame.filter(kept & pl.col("reason").is_not_null())
    rejected = bad.select(
        "file_name",
        "locator",
        "reason",
        table_name=pl.lit(TABLE),
        raw=pl.struct(
            "period_as_published", "flow_as_published", "reporter", "partner", "classification", "commodity", "value"
        ).struct.json_encode(),
    )
    dropped = frame.filter(~kept)["rule"].value_counts(sort=True)
    return _SortedOut(
        _canonical(frame.filter(kept & pl.col("reason").is_null())),
        rejected,
        dict(dropped.iter_rows()),
        read.height,
    )


def _reason() -> pl.Expr:
    """Why a row cannot be used; null for a good one."""
    known = [
        ("reporter", ("country", "former_country")),
        ("partner", ("country", "former_country", "unspecified", "world")),
    ]
    return trade.reasons(
        trade.unmapped("period_as_published", ~_is_period(pl.col("period")), "is no year or month"),
        trade.unmapped("flow_as_published", pl.col("flow").is_null(), "is no known flow"),
        *(
            trade.unmapped(
                column,
                ~pl.col(f"{column}_kind").is_in(kinds).fill_null(False) | pl.col(f"{column}_iso3").is_null(),
                "is no area with a country code",
            )
            for column, kinds in known
        ),
        trade.unmapped("classification", pl.col("hs_revision").is_null(), "is no revision of the Harmonized System"),
        trade.unmapped(
            "commodity",
            ~pl.col("commodity").str.contains(r"^([0-9]{2}|[0-9]{4}|[0-9]{6}|TOTAL)$").fill_null(False),
            "is no commodity code",
        ),
        pl.when(~pl.col("is_goods").fill_null(False)).then(pl.lit("it is not trade in goods")),
        pl.when(pl.col("is_breakdown").is_null()).then(
            pl.lit("it does not say whether it is a total or a breakdown")
        ),
        pl.when("is_unreadable").then(pl.lit("a value or weight is no number")),
        pl.when(pl.col("value").is_null()).then(pl.lit("it has no value")),
    )


def _is_period(period: pl.Expr) -> pl.Expr:
    return period.str.contains(r"^(19|20)[0-9]{2}(0[1-9]|1[0-2])?$").fill_null(False)


def _canonical(rows: pl.DataFrame) -> pl.DataFrame:
    is_month = pl.col("period").str.len_chars() == 6
    month = pl.when(is_month).then(pl.col("period").str.slice(4)).otherwise(pl.lit("1"))
    start = pl.date(pl.col("period").str.slice(0, 4).cast(pl.Int32), month.cast(pl.Int8), 1)
    length = pl.when(is_month).then(pl.lit("1mo")).otherwise(pl.lit("1y"))
    is_import = pl.col("flow").is_in(["import", "re_import"])
    # A table that states neither value follows the UN's recommendation: imports cif, exports fob.
    stated = pl.col("cif").is_not_null() | pl.col("fob").is_not_null()
    is_cif, is_fob = pl.col("cif") == pl.col("value"), pl.col("fob") == pl.col("value")
    return rows.select(
        reporter_iso3="reporter_iso3",
        partner_iso3="partner_iso3",
        hs_revision="hs_revision",
        hs_code="commodity",
        flow="flow",
        valuation=pl.when(is_cif & (is_import | ~is_fob.fill_null(False)))
        .then(pl.lit("cif"))
        .when(is_fob)
        .then(pl.lit("fob"))
        .when(stated)
        .then(pl.lit("unknown"))
        .when(is_import)
        .then(pl.lit("cif"))
        .otherwise(pl.lit("fob")),
        period_start=start,
        period_end=start.dt.offset_by(length).dt.offset_by("-1d"),
        period_basis=pl.when(is_month).then(pl.lit("month")).otherwise(pl.lit("calendar_year")),
        value_usd="value",
        net_weight_kg="weight",
        is_mirror=pl.lit(False),
        file_sha256="file_sha256",
        locator="locator",
        status="status",
        publisher_flags="publisher_flags",
        note=pl.when(pl.col("partner") == _TAIWAN).then(pl.lit(_TAIWAN_NOTE)),
    )
