"""The UN's list of countries and areas (M49), from its page or as CSV, to area_code.

One row per country or area with the groups that contain it: `Global Code`, `Region Code`, `Sub-region Code`,
`Intermediate Region Code`, each with a name, then `Country or Area`, `M49 Code`, `ISO-alpha2 Code`, `ISO-alpha3 Code`
and marks (`x`). On the page the English list is the table `downloadTableEN`.
https://unstats.un.org/unsd/methodology/m49/overview/
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NoReturn

import polars as pl
from lxml import etree  # type: ignore[import-untyped]

from ingest.csv_rows import require_even_rows
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

# Kind of area by column of its code and of its name, from the largest group down.
_LEVELS = {
    "world": ("Global Code", "Global Name"),
    "region": ("Region Code", "Region Name"),
    "sub_region": ("Sub-region Code", "Sub-region Name"),
    "intermediate_region": ("Intermediate Region Code", "Intermediate Region Name"),
    "country": ("M49 Code", "Country or Area"),
}
_ISO2, _ISO3, _LDC = "ISO-alpha2 Code", "ISO-alpha3 Code", "Least Developed Countries (LDC)"
_REQUIRED = (*(name for pair in _LEVELS.values() for name in pair), _ISO2, _ISO3, _LDC)
_TABLE_ID = "downloadTableEN"
# The list has had some 250 countries and areas for decades.
_FEWEST = 200
_REMEDY = "Fetch it again; if the publisher changed the page, the parser must follow."


def parse(files: Sequence[SourceFile]) -> Parsed:
    """Codes of countries, areas and groups of one edition of the list.

    Countries without a code of three digits or without ISO codes are rejected. Raises LayoutError for another layout,
    a list that is too short, or a code that stands for two names.
    """
    if len(files) != 1:
        _fail(", ".join(file.name for file in files), f"there are {len(files)} files", "Load one list at a time.")
    (file,) = files
    is_page = file.name.lower().endswith(".html")
    table = _page(file) if is_page else _csv(file)
    missing = [name for name in _REQUIRED if name not in table.columns]
    if missing:
        _fail(file.name, f"the list lacks the columns {', '.join(missing)}", _REMEDY)
    blank = pl.all_horizontal(pl.exclude("locator").is_null())
    listed = table.filter(~blank)
    if listed.height < _FEWEST:
        _fail(file.name, f"the list has {listed.height} countries and areas, fewer than {_FEWEST}", "Fetch it again.")
    reason = pl.concat_str(
        *(
            pl.when(~pl.col(name).str.contains(pattern).fill_null(False)).then(
                pl.format(f"{name} is {{}}", pl.col(name).fill_null("empty"))
            )
            for name, pattern in (("M49 Code", "^[0-9]{3}$"), (_ISO2, "^[A-Z]{2}$"), (_ISO3, "^[A-Z]{3}$"))
        ),
        pl.when(pl.col("Country or Area").is_null()).then(pl.lit("the name is missing")),
        pl.when(~pl.col(_LDC).is_in(["x"]).fill_null(True)).then(pl.format(f"{_LDC} is {{}}", _LDC)),
        *(
            pl.when(pl.col(code).is_null() != pl.col(name).is_null()).then(pl.lit(f"{code} or {name} is missing"))
            for code, name in list(_LEVELS.values())[:-1]
        ),
        *(
            pl.when(~pl.col(code).str.contains("^[0-9]{3}$")).then(pl.format(f"{code} is {{}}", code))
            for code, _ in list(_LEVELS.values())[:-1]
        ),
        separator="; ",
        ignore_nulls=True,
    )
    judged = listed.with_columns(reason.alias("reason"))
    good = judged.filter(pl.col("reason") == "")
    rows = _areas(good)
    twice = rows.filter(pl.col("code").is_duplicated())
    if twice.height:
        _fail(file.name, f"the code {twice['code'][0]} stands twice: {', '.join(twice['name'].head(3))}", _REMEDY)
    return Parsed(
        {
            "area_code": rows.with_columns(
                pl.lit("m49").alias("scheme"),
                pl.lit(True).alias("is_valid"),
                pl.lit(file.sha256).alias("file_sha256"),
                pl.lit("publisher_bytes" if is_page else "republished_copy").alias("value_origin"),
            )
        },
        rows_read=table.height,
        rejected=judged.filter(pl.col("reason") != "").select(
            pl.lit("area_code").alias("table_name"),
            pl.lit(file.name).alias("file_name"),
            "locator",
            "reason",
            pl.struct(list(_REQUIRED)).struct.json_encode().alias("raw"),
        ),
        dropped={"blank_row": table.height - listed.height} if table.height > listed.height else {},
        published_on=file.published_on,
    )


def _areas(listed: pl.DataFrame) -> pl.DataFrame:
    """Countries and the groups above them, each once, with the smallest group that contains it."""
    above: list[pl.Expr] = []
    frames = []
    for kind, (code, name) in _LEVELS.items():
        is_country = kind == "country"
        found = listed.filter(pl.col(code).is_not_null()).select(
            pl.col(code).alias("code"),
            pl.lit(kind).alias("kind"),
            pl.col(name).alias("name"),
            *(pl.col(iso if is_country else code).alias(alias) for iso, alias in ((_ISO2, "iso2"), (_ISO3, "iso3"))),
            pl.coalesce(*reversed(above), pl.lit(None, dtype=pl.String)).alias("parent_code"),
            pl.col(_LDC).is_not_null().alias("is_least_developed"),
            "locator",
        )
        if not is_country:
            nothing = [pl.lit(None, dtype=pl.String).alias(column) for column in ("iso2", "iso3")]
            found = found.with_columns(*nothing, pl.lit(None, dtype=pl.Boolean).alias("is_least_developed"))
            # A group stands beside every country in it: one row for each name and place that it is given.
            found = found.unique(["code", "name", "parent_code"], keep="first", maintain_order=True)
        frames.append(found)
        above.append(pl.col(code))
    return pl.concat(frames)


def _csv(file: SourceFile) -> pl.DataFrame:
    data = file.path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _fail(file.name, f"the list is not in UTF-8 ({error.reason})", _REMEDY)
    separator = ";" if text.split("\n", 1)[0].count(";") > text.split("\n", 1)[0].count(",") else ","
    if separator == ",":
        require_even_rows(data, file.name)
    try:
        table = pl.read_csv(io.BytesIO(text.encode()), infer_schema=False, separator=separator)
    except pl.exceptions.PolarsError as error:
        _fail(file.name, f"the list cannot be read as CSV ({str(error).splitlines()[0][:200]})", _REMEDY)
    line = pl.format("line {}", pl.int_range(2, pl.len() + 2))
    return table.select(_trimmed(), line.alias("locator"))


def _page(file: SourceFile) -> pl.DataFrame:
    parser = etree.HTMLParser(encoding="utf-8", no_network=True)
    root = etree.parse(io.BytesIO(file.path.read_bytes()), parser).getroot()
    found = [] if root is None else root.xpath(f"//table[@id='{_TABLE_ID}']")
    if len(found) != 1:
        _fail(file.name, f"the page has {len(found)} tables {_TABLE_ID}, not one", _REMEDY)
    cells = [
        [" ".join("".join(cell.itertext()).split()) for cell in row.xpath("./th|./td")] for row in found[0].iter("tr")
    ]
    if not cells or {len(row) for row in cells} != {len(cells[0])} or len(set(cells[0])) != len(cells[0]):
        _fail(file.name, "the rows of the table differ in length, or a column stands twice", _REMEDY)
    table = pl.DataFrame(cells[1:], schema=dict.fromkeys(cells[0], pl.String), orient="row")
    row = pl.format(f"table {_TABLE_ID} row {{}}", pl.int_range(2, pl.len() + 2))
    return table.select(_trimmed(), row.alias("locator"))


def _trimmed() -> pl.Expr:
    text = pl.all().str.strip_chars()
    return pl.when(text != "").then(text).name.keep()


def _fail(name: str, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, remedy=remedy)
