"""ClinicalTrials.gov, API v2, to `trial` and `trial_site`.

A file is a page of `/studies` (`{"studies": [...], "nextPageToken": ...}`) or a single record; the structure of a
record is that of the API's OpenAPI document (2.0.5). Dates are `yyyy`, `yyyy-MM` or `yyyy-MM-dd`. The envelope of the
API v1, which was retired in 2024 (`FullStudiesResponse`), has other names throughout and is refused.
https://clinicaltrials.gov/data-api/about-api/study-data-structure
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NoReturn, cast

import polars as pl

from ingest import areas
from ingest.celltext import day
from ingest.errors import LayoutError
from ingest.source import Parsed, SourceFile

TRIAL, SITE = "trial", "trial_site"

_FETCH = "Fetch it again; if the registry changed its API, the parser must follow."
_NCT = r"^NCT[0-9]{8}$"
_PARTIAL_DATE = r"^(19|20)\d{2}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$"
_TEXT = pl.String()
_DATE = pl.Struct({"date": _TEXT, "type": _TEXT})
# Names of persons (contacts, officials) are not among the fields that are read.
_RECORD = {
    "protocolSection": pl.Struct(
        {
            "identificationModule": pl.Struct({"nctId": _TEXT}),
            "statusModule": pl.Struct(
                {
                    "overallStatus": _TEXT,
                    "startDateStruct": _DATE,
                    "completionDateStruct": _DATE,
                    "lastUpdatePostDateStruct": _DATE,
                }
            ),
            "sponsorCollaboratorsModule": pl.Struct({"leadSponsor": pl.Struct({"name": _TEXT, "class": _TEXT})}),
            "designModule": pl.Struct(
                {
                    "studyType": _TEXT,
                    "phases": pl.List(_TEXT),
                    "enrollmentInfo": pl.Struct({"count": pl.Int64(), "type": _TEXT}),
                }
            ),
            "armsInterventionsModule": pl.Struct(
                {"interventions": pl.List(pl.Struct({"type": _TEXT, "name": _TEXT}))}
            ),
            "contactsLocationsModule": pl.Struct(
                {"locations": pl.List(pl.Struct(dict.fromkeys(("facility", "city", "state", "country"), _TEXT)))}
            ),
        }
    ),
    "derivedSection": pl.Struct({"miscInfoModule": pl.Struct({"versionHolder": _TEXT})}),
}
_ENVELOPE = {
    "studies": pl.List(pl.Struct(_RECORD)),
    "nextPageToken": _TEXT,
    "totalCount": pl.Int64(),
    "FullStudiesResponse": pl.Struct({"APIVrs": _TEXT}),
    **_RECORD,
}
_CHECKS = {
    "the record has no NCT number": ~pl.col("nct_id").str.contains(_NCT).fill_null(False),
    **{
        f"the date of {name} cannot be read": ~pl.col(column).str.contains(_PARTIAL_DATE).fill_null(True)
        for column, name in (("start_date", "start"), ("completion_date", "completion"), ("updated_date", "update"))
    },
}
# While the pages are fetched, a few studies may come or go.
_TOLERANCE = 0.001


def parse(files: Sequence[SourceFile]) -> Parsed:
    """One row per trial and one per site of the records in all files, which are the pages of one answer.

    A trial that stands on two pages (records move while the pages are fetched) is taken from the later one and
    counted as `repeated_on_a_later_page`. A record without a number, or with a date that cannot be read, is rejected.
    Countries that the vocabulary does not know keep their name and have no code. Raises LayoutError for another
    envelope, for pages of which one is missing, and for an answer without studies.
    """
    pages = [_read(file) for file in files]
    records = pl.concat([page for page, _, _ in pages]).with_row_index("_order")
    if not records.height:
        _fail(files[0].name, "the answer holds no study", "The query found nothing: check its filter.")
    _require_all_pages(files, [(token, total) for _, token, total in pages], records.height)
    flat = _flat(records)
    reasons = [pl.when(condition).then(pl.lit(text)) for text, condition in _CHECKS.items()]
    judged = flat.with_columns(pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias("reason"))
    named = judged.filter(pl.col("reason") == "")
    trials = named.sort("_order").unique("nct_id", keep="last", maintain_order=True)
    repeated = named.height - trials.height
    published = trials["version"].max()
    return Parsed(
        {TRIAL: _trials(trials), SITE: _sites(trials)},
        rows_read=records.height,
        rejected=judged.filter(pl.col("reason") != "").select(
            pl.lit(TRIAL).alias("table_name"),
            "file_name",
            "locator",
            "reason",
            pl.concat_str(
                pl.col("nct_id", "start_date", "completion_date", "updated_date").fill_null(""), separator=" | "
            ).alias("raw"),
        ),
        dropped={"repeated_on_a_later_page": repeated} if repeated else {},
        published_on=cast("date | None", published),
    )


def _read(file: SourceFile) -> tuple[pl.DataFrame, str | None, int | None]:
    """Records of a file with their place, the token of the next page, and the total where the page states it."""
    try:
        answer = pl.read_json(file.path, schema=_ENVELOPE)
    except pl.exceptions.PolarsError as error:
        _fail(file.name, f"the records cannot be read ({str(error).splitlines()[0]})", _FETCH)
    if answer.height != 1:
        _fail(file.name, "the file holds a list, not an answer of the API", _FETCH)
    envelope = answer.row(0, named=True)
    if envelope["FullStudiesResponse"] is not None:
        _fail(
            file.name,
            f"the file is of the API v1 ({envelope['FullStudiesResponse']['APIVrs']}), which was retired in 2024",
            "Fetch it from the API v2: /api/v2/studies.",
        )
    if envelope["studies"] is not None:
        records = (
            answer.select(pl.col("studies").explode(empty_as_null=False)).unnest("studies").with_row_index("_at")
        )
        where = pl.format("studies[{}]", "_at")
    elif envelope["protocolSection"] is not None:
        records, where = answer.select(*_RECORD).with_row_index("_at"), pl.lit("$")
    else:
        _fail(file.name, "the file holds neither studies nor a record", _FETCH)
    return (
        records.select(
            *_RECORD,
            where.alias("locator"),
            pl.lit(file.name).alias("file_name"),
            pl.lit(file.sha256).alias("file_sha256"),
        ),
        envelope["nextPageToken"],
        envelope["totalCount"],
    )


def _require_all_pages(files: Sequence[SourceFile], pages: list[tuple[str | None, int | None]], found: int) -> None:
    """Raise LayoutError unless the pages are whole: only the last one names none after it, and the total is there."""
    names = ", ".join([files[0].name, *(["..."] if len(files) > 2 else []), *([files[-1].name] if files[1:] else [])])
    tokens = [token for token, _ in pages if token]
    if tokens and len(tokens) != len(files) - 1:
        _fail(names, f"{len(tokens)} of {len(files)} pages name a page after them", "Give all pages of one answer.")
    totals = [total for _, total in pages if total is not None]
    if totals and found < max(totals) * (1 - _TOLERANCE):
        _fail(names, f"the pages hold {found:,} of {max(totals):,} studies", "Give all pages of one answer.")


def _flat(records: pl.DataFrame) -> pl.DataFrame:
    section = pl.col("protocolSection").struct

    def module(name: str) -> pl.Expr:
        return section.field(name)

    status, design = module("statusModule").struct, module("designModule").struct
    sponsor = module("sponsorCollaboratorsModule").struct.field("leadSponsor").struct
    enrollment = design.field("enrollmentInfo").struct
    return records.select(
        "_order",
        "locator",
        "file_name",
        "file_sha256",
        module("identificationModule").struct.field("nctId").alias("nct_id"),
        design.field("studyType").alias("study_type"),
        design.field("phases").alias("phases"),
        status.field("overallStatus").alias("overall_status"),
        *(
            status.field(f"{name}DateStruct").struct.field(part).alias(f"{alias}_{part}")
            for name, alias in (("start", "start"), ("completion", "completion"), ("lastUpdatePost", "updated"))
            for part in ("date", "type")
        ),
        _clean(sponsor.field("name")).alias("lead_sponsor_name"),
        sponsor.field("class").alias("lead_sponsor_class"),
        module("armsInterventionsModule").struct.field("interventions").alias("interventions"),
        enrollment.field("count").alias("enrollment_count"),
        enrollment.field("type").alias("enrollment_kind"),
        module("contactsLocationsModule").struct.field("locations").alias("locations"),
        pl.col("derivedSection")
        .struct.field("miscInfoModule")
        .struct.field("versionHolder")
        .str.to_date("%Y-%m-%d", strict=False)
        .alias("version"),
    )


def _trials(trials: pl.DataFrame) -> pl.DataFrame:
    phases = pl.col("phases").list.join("|")
    names = pl.col("interventions").list.eval(
        _clean(pl.element().struct.field("name")).str.replace_all("|", "/", literal=True).fill_null("not stated")
    )
    types = pl.col("interventions").list.eval(pl.element().struct.field("type").fill_null("not stated"))
    return trials.select(
        "nct_id",
        "study_type",
        pl.when(phases != "").then(phases).alias("phase"),
        "overall_status",
        *_dated("start"),
        *_dated("completion"),
        day(pl.col("updated_date")).alias("last_updated_on"),
        "lead_sponsor_name",
        "lead_sponsor_class",
        pl.when(names.list.len() > 0).then(names.list.join(" | ")).alias("intervention_names"),
        pl.when(types.list.len() > 0).then(types.list.join(" | ")).alias("intervention_types"),
        "enrollment_count",
        "enrollment_kind",
        "file_sha256",
        pl.format("{}.protocolSection", "locator").alias("locator"),
    )


def _dated(name: str) -> list[pl.Expr]:
    """Day, precision and kind of a date that may lack the day or the month; all null where it cannot be read."""
    text = pl.col(f"{name}_date")
    day = (
        pl.when(text.str.contains(r"^\d{4}$"))
        .then(text + "-01-01")
        .when(text.str.contains(r"^\d{4}-\d{2}$"))
        .then(text + "-01")
        .when(text.str.contains("^[0-9]"))
        .then(text)
        .str.to_date("%Y-%m-%d", strict=False)
    )
    precision = text.str.len_chars().replace_strict({4: "year", 7: "month", 10: "day"}, default=None)
    is_read = day.is_not_null()
    return [
        day.alias(f"{name}_on"),
        pl.when(is_read).then(precision).alias(f"{name}_precision"),
        pl.when(is_read).then(pl.col(f"{name}_type")).alias(f"{name}_kind"),
    ]


def _sites(trials: pl.DataFrame) -> pl.DataFrame:
    names = areas.names()
    listed = (
        trials.filter(pl.col("locations").list.len() > 0)
        .select("nct_id", "file_sha256", "locator", "locations")
        .explode("locations")
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("nct_id").alias("site_number"))
        .unnest("locations")
    )
    # The vocabulary's own comparison of names, once for each name and not for each site.
    known = listed.select("country").unique().drop_nulls()
    codes = known.with_columns(
        pl.Series("country_iso3", [names.get(areas.comparable(name)) for name in known["country"]], dtype=pl.String)
    )
    is_unknown = pl.col("country").is_not_null() & pl.col("country_iso3").is_null()
    return listed.join(codes, on="country", how="left", maintain_order="left").select(
        "nct_id",
        "site_number",
        _clean(pl.col("facility")).alias("facility_name"),
        _clean(pl.col("city")).alias("city"),
        _clean(pl.col("state")).alias("region"),
        _clean(pl.col("country")).alias("country_name"),
        "country_iso3",
        "file_sha256",
        pl.format(
            "{}.protocolSection.contactsLocationsModule.locations[{}]", "locator", pl.col("site_number") - 1
        ).alias("locator"),
        pl.when(is_unknown).then(pl.lit("The vocabulary does not know the country's name.")).alias("note"),
    )


def _clean(text: pl.Expr) -> pl.Expr:
    return text.str.normalize("NFKC").str.replace_all(r"\s+", " ").str.strip_chars().replace("", None)


def _fail(name: str, problem: str, remedy: str) -> NoReturn:
    raise LayoutError(problem, file=name, remedy=remedy)
