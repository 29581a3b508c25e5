"""What filers tell the SEC, from tagged facts to canonical rows: concepts, dimensions, sums by product.

Several sources publish the facts of the same filings (data sets by quarter, facts by company, the documents
themselves). Each brings them into one form, :data:`FACTS`, and what follows is the same: one figure per company and
fiscal year, from the latest filing that states it; products told apart from the groups that contain them
(:mod:`ingest.rollup`); products checked against the company's revenue.

Axes and members are named as in the SEC's Financial Statement Data Sets, without prefix and without the endings Axis
and Member (`ProductOrService=Zepbound;Geographical=US;`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from ingest import areas, rollup

if TYPE_CHECKING:
    from ingest.fetch import Client

# Revenue of a company, by preference: the first that a filing states without dimensions is its revenue.
REVENUE_CONCEPTS = (
    "us-gaap:Revenues",
    "us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax",
    "us-gaap:RevenueFromContractWithCustomerIncludingAssessedTax",
    "us-gaap:SalesRevenueNet",
    "us-gaap:SalesRevenueGoodsNet",
    "ifrs-full:Revenue",
    "ifrs-full:RevenueFromContractsWithCustomers",
    "ifrs-full:RevenueFromSaleOfGoods",
)

# Spending on research and development, by preference. Where a filing states two of them, the one without acquired
# projects is the line of the income statement, and the plain concept tags the acquired projects alone (Johnson &
# Johnson, FY2021 to FY2025) or the total with them.
RND_CONCEPTS = (
    "us-gaap:ResearchAndDevelopmentExpenseExcludingAcquiredInProcessCost",
    "us-gaap:ResearchAndDevelopmentExpense",
    "us-gaap:ResearchAndDevelopmentExpenseSoftwareExcludingAcquiredInProcessCost",
    "ifrs-full:ResearchAndDevelopmentExpense",
)

CONCEPTS = REVENUE_CONCEPTS + RND_CONCEPTS

# Forms whose figures for twelve months are those of a fiscal year. A quarterly report may hold twelve months too, but
# up to its own quarter.
ANNUAL_FORMS = ("10-K", "10-KT", "10-K405", "20-F", "40-F")
_INTERIM_FORMS = ("10-Q", "10-QT")

_PRODUCT_AXES = ("ProductOrService", "ProductsAndServices")
# In order of preference, where a filing gives both: the market where customers are, not where the plant is.
_GEOGRAPHY_AXES = ("MarketsOfCustomers", "GeographicalAreas", "Geographical")
# Axes that say where a product belongs, not which part of its revenue is meant. KeyProductPortfolio is AbbVie's.
_GROUP_AXES = ("BusinessSegments", "Segments", "Subsegments", "KeyProductPortfolio")
_NEUTRAL = (("ConsolidationItems", "OperatingSegments"),)

_UNITED_STATES = ("US", "UnitedStates")
_ABROAD = ("NonUs", "NonUS")

# Members of a product axis that are kinds of revenue and no products: named by nothing but these words. They stand
# beside the products, and either contain them (Product, NetProductSales) or are something else (RoyaltyRevenue).
_KIND_OF_REVENUE = re.compile(
    "(total|net|and|other|products?|services?|sales?|revenues?|income|royalt(y|ies)|licen[cs](e|es|ing)|collaborations?"
    "|collaborative|arrangements?|alliance|contract|manufacturing|grants?|milestones?)+"
)
# What a company calls its other products is the rest of its products.
_REST = re.compile("(all)?other(products?|sales?|total|net)*")

# Fields of therapy: a member with such a name is no product, also where the company lists no products of the field.
THERAPY_AREAS = (
    "aesthetics", "antiinfectives", "biosimilars", "cardiometabolic", "cardiometabolichealth", "cardiovascular",
    "cardiovascularandmetabolism", "dermatology", "diabetes", "endocrinology", "establishedproducts", "eyecare",
    "gastroenterology", "generics", "hematologiconcology", "hematology", "hiv", "hospital", "immunology",
    "infectiousdisease", "infectiousdiseases", "inflammation", "metabolism", "neurology", "neuroscience",
    "neurosciences", "oncology", "ophthalmology", "pulmonaryhypertension", "rareblooddisorders", "raredisease",
    "rarediseases", "respiratory", "urology", "vaccine", "vaccines", "virology", "womenshealth",
)  # fmt: skip

# Segments of companies that sell more than medicines, in lower-case letters.
NO_MEDICINE_SEGMENTS = (
    "animalhealth",
    "consumer",
    "consumerhealth",
    "consumerhealthcare",
    "medicaldevice",
    "medicaldevices",
    "medicaldevicesanddiagnostics",
    "medtech",
)

# Products may exceed the company's revenue by rounding and by what is netted elsewhere, but not by more.
REVENUE_TOLERANCE = 1.02

# A figure that differs by more from what an earlier filing stated was restated, not rounded otherwise.
RESTATEMENT = 0.001

FACTS = pl.Schema(
    {
        "accession": pl.String(),
        "filer_code": pl.String(),
        "filer_name": pl.String(),
        "filer_iso3": pl.String(),
        "form": pl.String(),
        "filed": pl.Date(),
        "concept": pl.String(),
        "dimensions": pl.String(),
        "period_start": pl.Date(),
        "period_end": pl.Date(),
        "is_comparative": pl.Boolean(),
        "currency": pl.String(),
        "value": pl.Float64(),
        "locator": pl.String(),
        "document_url": pl.String(),
        "file_name": pl.String(),
        "file_sha256": pl.String(),
        "value_origin": pl.String(),
    }
)

_FILER_YEAR = ["filer_code", "period_end"]

CONTACT_VARIABLE = "BIOPHARMA_USER_AGENT"


@dataclass
class Assembled:
    """Canonical rows, rows rejected with the reason, and counts of facts left out by a named rule."""

    rows: pl.DataFrame
    rejected: pl.DataFrame | None = None
    dropped: dict[str, int] = field(default_factory=dict)

    def leave_out(self, rule: str, count: int) -> None:
        """Count facts left out under a rule."""
        if count:
            self.dropped[rule] = self.dropped.get(rule, 0) + count


def require_contact(client: Client) -> None:
    """Raise FetchError unless the user has set whom the SEC may contact; it refuses requests that do not say."""
    from ingest.fetch import FetchError

    if "@" not in (client.option(CONTACT_VARIABLE) or ""):
        raise FetchError(
            f"the SEC wants a name and an e-mail address in every request, and {CONTACT_VARIABLE} holds none",
            remedy=f"Set it in the environment, for example {CONTACT_VARIABLE}='Example Institute data@example.org'.",
        )


def filer_code(cik: pl.Expr) -> pl.Expr:
    """A Central Index Key as ten digits, as EDGAR writes it in its addresses."""
    return cik.cast(pl.String).str.zfill(10)


def document_url(cik: pl.Expr, accession: pl.Expr) -> pl.Expr:
    """Address of a filing in EDGAR."""
    return pl.format(
        "https://www.sec.gov/Archives/edgar/data/{}/{}/",
        cik.cast(pl.String).str.strip_chars_start("0"),
        accession.str.replace_all("-", "", literal=True),
    )


def is_annual_form(form: pl.Expr) -> pl.Expr:
    """Whether a form is an annual report or an amendment of one."""
    return form.str.strip_suffix("/A").is_in(ANNUAL_FORMS)


def is_interim_form(form: pl.Expr) -> pl.Expr:
    """Whether a form is a quarterly report or an amendment of one."""
    return form.str.strip_suffix("/A").is_in(_INTERIM_FORMS)


def short_name(name: str) -> str:
    """An axis or member without prefix and endings: `us-gaap:StatementBusinessSegmentsAxis` is BusinessSegments."""
    plain = name.rsplit(":", 1)[-1]
    return re.sub(r"(Axis|Member|Domain)$", "", plain).removeprefix("Statement") or plain


def reporting_currency(facts: pl.DataFrame, by: Sequence[str], assembled: Assembled) -> pl.DataFrame:
    """Facts in the currency of most facts of a filing (or company); translations for readers are left out."""
    main = (
        facts.group_by([*by, "currency"])
        .len()
        .sort([*by, "len", "currency"], descending=[*(False for _ in by), True, False])
        .unique(list(by), keep="first", maintain_order=True)
        .drop("len")
    )
    kept = facts.join(main, on=[*by, "currency"], how="semi", maintain_order="left")
    assembled.leave_out("translated_into_another_currency", facts.height - kept.height)
    return kept


def preferred_concept(
    facts: pl.DataFrame, order: Sequence[str], by: Sequence[str], assembled: Assembled
) -> pl.DataFrame:
    """Of facts that agree on `by`, the one whose concept comes first; others are counted, and named in `also`."""
    rank = pl.col("concept").replace_strict({name: position for position, name in enumerate(order)}, default=99)
    ranked = facts.with_columns(rank.alias("_rank")).sort([*by, "_rank", "locator"], maintain_order=True)
    first = ranked.unique(list(by), keep="first", maintain_order=True)
    others = (
        ranked.join(first.select(*by, pl.col("concept").alias("_first")), on=list(by), maintain_order="left")
        .filter(pl.col("concept") != pl.col("_first"))
        .group_by(list(by), maintain_order=True)
        .agg(pl.format("{} {}", "concept", _whole(pl.col("value"))).str.join(", ").alias("also"))
    )
    assembled.leave_out("another_concept_of_the_filing", facts.height - first.height)
    return first.join(others, on=list(by), how="left", maintain_order="left").drop("_rank")


def latest_filing(facts: pl.DataFrame, same: Sequence[str], assembled: Assembled) -> pl.DataFrame:
    """Facts of a company's year from the latest filing that states any; those of earlier filings are counted.

    `same` names the columns in which facts of two filings agree that state the same figure. The column `before` tells
    what the figure was when it last was another, with the filing; `is_restated` is true where it has changed by more
    than rounding.
    """
    year = [*_FILER_YEAR, "accession", "filed"]
    last = (
        facts.select(year).unique().sort("filed", "accession").unique(_FILER_YEAR, keep="last", maintain_order=True)
    )
    kept = facts.join(last, on=year, how="semi", maintain_order="left")
    older = facts.join(last, on=year, how="anti", maintain_order="left")
    assembled.leave_out("superseded_by_later_filing", older.height)
    figure = [*_FILER_YEAR, *same]
    other = (
        older.select(
            *figure, pl.col("value").alias("_value"), pl.col("accession").alias("_a"), pl.col("filed").alias("_f")
        )
        .join(kept.select(*figure, "value"), on=figure, nulls_equal=True)
        .filter(pl.col("_value") != pl.col("value"))
        .sort("_f", "_a")
        .unique(figure, keep="last", maintain_order=True)
        .drop("value")
    )
    text = pl.format("before {} (filing {} of {})", _whole(pl.col("_value")), "_a", "_f")
    change = (pl.col("value") - pl.col("_value")).abs() > RESTATEMENT * pl.col("_value").abs()
    return (
        kept.join(other, on=figure, how="left", maintain_order="left", nulls_equal=True)
        .with_columns(text.alias("before"), change.fill_null(False).alias("is_restated"))
        .drop("_value", "_a", "_f")
    )


def with_breaks(facts: pl.DataFrame) -> pl.DataFrame:
    """Add `series_break`: a year that was restated after the year before it was stated for the last time.

    Companies restate two or three years when they sell a business; the years before stay as they were.
    """
    ordered = facts.sort(_FILER_YEAR)
    before = [pl.col(name).shift().over("filer_code") for name in ("is_restated", "period_end")]
    follows = (pl.col("period_start") - before[1]).dt.total_days().is_between(-7, 7)
    return ordered.with_columns(
        (pl.col("is_restated") & ~before[0] & follows).fill_null(False).alias("series_break"),
    )


def _whole(value: pl.Expr) -> pl.Expr:
    return value.round(0).cast(pl.Int64).cast(pl.String)


def _note(*more: pl.Expr) -> pl.Expr:
    """What a row is: concept, form and day of filing, and what else is to be said."""
    return pl.concat_str(
        pl.format("{}, {} filed {}", "concept", "form", "filed"),
        pl.when(pl.col("is_comparative")).then(pl.lit("figure of an earlier year")),
        pl.col("before"),
        *more,
        separator="; ",
        ignore_nulls=True,
    )


def _lineage(*more: pl.Expr) -> list[pl.Expr]:
    is_computed = pl.col("value_origin") == "computed"
    return [
        pl.col("file_sha256"),
        pl.col("locator"),
        pl.col("document_url"),
        pl.col("value_origin"),
        pl.when(is_computed).then(pl.lit("derived")).otherwise(pl.lit("reported")).alias("status"),
        _note(*more).alias("note"),
    ]


def rnd_rows(facts: pl.DataFrame) -> Assembled:
    """Rows of `rnd_observation`: a company's spending on research and development, by fiscal year.

    Spending by segment or by project is left out (counted as `by_dimension`).
    """
    result = Assembled(pl.DataFrame())
    own = facts.filter(pl.col("concept").is_in(RND_CONCEPTS))
    plain = own.filter(pl.col("dimensions") == "")
    result.leave_out("rnd_by_dimension", own.height - plain.height)
    plain = reporting_currency(plain, ["accession"], result)
    chosen = preferred_concept(plain, RND_CONCEPTS, ["accession", "period_end"], result)
    chosen = with_breaks(latest_filing(chosen, [], result))
    also = pl.when(pl.col("also").is_not_null()).then(pl.format("the filing also states {}", "also"))
    result.rows = chosen.select(
        pl.lit("company").alias("entity_kind"),
        pl.col("filer_code").alias("entity_code"),
        pl.col("filer_name").alias("entity_name"),
        pl.col("filer_iso3").alias("entity_iso3"),
        pl.lit("filer").alias("lens"),
        pl.lit("none").alias("activity_scheme"),
        pl.lit("_T").alias("activity_code"),
        pl.lit("none").alias("criteria"),
        pl.lit("rnd_expense").alias("measure"),
        "period_start",
        "period_end",
        pl.lit("fiscal_year").alias("period_basis"),
        pl.lit("currency").alias("unit"),
        "currency",
        pl.lit("current").alias("price_base"),
        "value",
        *_lineage(also),
        "series_break",
    )
    return result


def sales_rows(facts: pl.DataFrame) -> Assembled:
    """Rows of `sales_observation`: revenue of companies by product, market and fiscal year, and their totals.

    A product is a leaf of the company's own breakdown; what the company lists as other products is a `remainder`.
    Groups of products, kinds of revenue (royalties, collaborations) and the company's revenue are `total`. Markets
    are the United States, single countries, all but the United States (XUS) and the world (WLD). Where a product is
    stated for the United States and the rest only, the world is their sum, computed. Where the products of a
    company's year still exceed its revenue, groups and products could not be told apart: the products are rejected.
    Where a single market does, the company's revenue and that of all its markets are.
    """
    result = Assembled(pl.DataFrame())
    revenue = facts.filter(pl.col("concept").is_in(REVENUE_CONCEPTS))
    revenue = reporting_currency(revenue, ["accession"], result)
    revenue = revenue.join(_by_role(revenue["dimensions"]), on="dimensions", how="left", maintain_order="left")
    usable = revenue.filter(pl.col("further") == 0)
    result.leave_out("further_breakdown", revenue.height - usable.height)
    totals = usable.filter(pl.col("product").is_null() & (pl.col("depth") == 0))
    products = usable.filter(pl.col("product").is_not_null())
    result.leave_out("by_segment", usable.height - totals.height - products.height)
    company, markets = _company_totals(totals, result)
    stated = _with_contradiction(pl.concat([company, markets]))
    result.rejected = _refused(stated.filter(pl.col("reason").is_not_null()))
    result.rows = _total_rows(stated.filter(pl.col("reason").is_null()).drop("reason"))
    if not products.height:
        # As in company facts, which have no dimensions.
        return result
    cells = _product_cells(products, result)
    roles, reasons = _roles(cells, _revenue_by_filing(totals))
    cells = cells.join(roles, on=["accession", "product", "group"], how="left", maintain_order="left")
    cells = cells.join(reasons, on=["accession", "period_end", "market_iso3"], how="left", maintain_order="left")
    is_refused = pl.col("reason").is_not_null() & (pl.col("role") == "leaf")
    result.rejected = pl.concat([result.rejected, _refused(cells.filter(is_refused))])
    kept = cells.filter(~is_refused)
    segments = pl.col("group").str.to_lowercase().str.replace_all(r"[^a-z0-9/]", "").str.split("/")
    is_other_trade = segments.list.eval(pl.element().is_in(NO_MEDICINE_SEGMENTS)).list.any()
    medicines = kept.filter(~is_other_trade)
    result.leave_out("not_a_medicine", kept.height - medicines.height)
    result.rows = pl.concat([result.rows, _product_rows(medicines)])
    return result


def _with_contradiction(totals: pl.DataFrame) -> pl.DataFrame:
    """Totals with `reason`, which says where a market's revenue is more than the company's in the same filing.

    One of the two is not what it seems to be, and nothing tells which: none of that filing's year is taken.
    """
    is_world = pl.col("market_iso3") == rollup.WORLD
    of_year = [*_FILER_YEAR, "accession"]
    whole = pl.col("value").filter(is_world).first().over(of_year)
    largest = pl.col("value").filter(~is_world).max().over(of_year)
    return totals.with_columns(
        pl.when((whole > 0) & (largest > REVENUE_TOLERANCE * whole))
        .then(pl.format("a market has {}% of the company's revenue", (100 * largest / whole).round().cast(pl.Int64)))
        .alias("reason")
    )


def _refused(facts: pl.DataFrame) -> pl.DataFrame:
    return facts.select(
        pl.lit("sales_observation").alias("table_name"),
        "file_name",
        "locator",
        "reason",
        pl.format("{} {} {} {}", "filer_name", "dimensions", "period_end", "value").alias("raw"),
    )


def _by_role(dimensions: pl.Series) -> pl.DataFrame:
    """What each text of dimensions says: product, geography, group of the filer, and how much else."""
    order = {name: rank for rank, name in enumerate((*_PRODUCT_AXES, *_GEOGRAPHY_AXES, *_GROUP_AXES))}
    texts = pl.DataFrame({"dimensions": dimensions.unique().sort()}, schema={"dimensions": pl.String})
    parts = (
        texts.with_columns(pl.col("dimensions").str.split(";").alias("part"))
        .explode("part")
        .filter(pl.col("part") != "")
        .with_columns(pl.col("part").str.splitn("=", 2).struct.rename_fields(["axis", "member"]))
        .unnest("part")
        .with_columns(
            pl.when(pl.col("axis").is_in(_PRODUCT_AXES))
            .then(pl.lit("product"))
            .when(pl.col("axis").is_in(_GEOGRAPHY_AXES))
            .then(pl.lit("geography"))
            .when(pl.col("axis").is_in(_GROUP_AXES))
            .then(pl.lit("group"))
            .when(pl.struct("axis", "member").is_in([{"axis": a, "member": m} for a, m in _NEUTRAL]))
            .then(pl.lit("neutral"))
            .otherwise(pl.lit("further"))
            .alias("role"),
            pl.col("axis").replace_strict(order, default=99).alias("rank"),
        )
        .sort("dimensions", "rank", maintain_order=True)
    )

    def of(role: str) -> pl.Expr:
        return pl.col("member").filter(pl.col("role") == role)

    found = parts.group_by("dimensions", maintain_order=True).agg(
        of("product").first().alias("product"),
        of("geography").first().alias("geography"),
        pl.col("rank").filter(pl.col("role") == "geography").first().alias("geography_rank"),
        of("group").str.join("/").alias("group"),
        pl.col("axis").filter(pl.col("role") == "group").str.join("/").alias("group_axes"),
        of("group").len().alias("depth"),
        (
            of("further").len()
            + (of("product").len().clip(1) - 1).cast(pl.UInt32)
            + (of("geography").len().clip(1) - 1).cast(pl.UInt32)
        ).alias("further"),
    )
    countries = areas.iso2_to_iso3().rename({"iso2": "geography", "iso3": "country"})
    return (
        texts.join(found, on="dimensions", how="left", maintain_order="left")
        .with_columns(pl.col("group", "group_axes").fill_null(""), pl.col("depth", "further").fill_null(0))
        .join(countries, on="geography", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("geography").is_null())
            .then(pl.lit(rollup.WORLD))
            .when(pl.col("geography").is_in(_UNITED_STATES))
            .then(pl.lit(rollup.HOME))
            .when(pl.col("geography").is_in(_ABROAD))
            .then(pl.lit(rollup.ABROAD))
            .otherwise(pl.col("country"))
            .alias("market_iso3")
        )
        .drop("country")
    )


def _one_per_market(facts: pl.DataFrame, by: Sequence[str], assembled: Assembled) -> pl.DataFrame:
    """Facts with a known market, one each: of two axes that name the market, the preferred one."""
    known = facts.filter(pl.col("market_iso3").is_not_null())
    assembled.leave_out("market_without_country", facts.height - known.height)
    ranked = known.sort([*by, "market_iso3", "geography_rank", "dimensions"], nulls_last=True, maintain_order=True)
    first = ranked.unique([*by, "market_iso3"], keep="first", maintain_order=True)
    assembled.leave_out("stated_twice", known.height - first.height)
    return first


def _company_totals(totals: pl.DataFrame, result: Assembled) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A company's revenue by fiscal year, and its revenue by market from the same filing."""
    world = totals.filter(pl.col("geography").is_null())
    company = preferred_concept(world, REVENUE_CONCEPTS, ["accession", "period_end", "market_iso3"], result)
    company = with_breaks(latest_filing(company, [], result))
    regional = totals.filter(pl.col("geography").is_not_null())
    same_filing = [*_FILER_YEAR, "accession"]
    markets = regional.join(company.select(same_filing), on=same_filing, how="semi", maintain_order="left")
    result.leave_out("superseded_by_later_filing", regional.height - markets.height)
    markets = markets.with_columns(
        pl.lit(None, dtype=pl.String).alias("before"),
        pl.lit(False).alias("is_restated"),
        pl.lit(False).alias("series_break"),
    )
    by_market = _one_per_market(markets, [*_FILER_YEAR, "concept"], result)
    chosen = preferred_concept(by_market, REVENUE_CONCEPTS, [*_FILER_YEAR, "market_iso3"], result)
    return company, chosen.select(company.columns)


def _product_cells(products: pl.DataFrame, result: Assembled) -> pl.DataFrame:
    """One figure per product (and segment), market and fiscal year; the world as a sum where it is missing."""
    products = latest_filing(products, ["concept", "dimensions"], result)
    # A product that stands alone and also within segments is taken where it stands alone.
    product = ["accession", "product"]
    shallow = products.filter(pl.col("depth") == pl.col("depth").min().over(product))
    axes = _most_frequent(shallow, product, "group_axes")
    concepts = _most_frequent(axes, [*product, "group"], "concept")
    result.leave_out("also_within_a_segment", products.height - axes.height)
    result.leave_out("another_concept_of_the_filing", axes.height - concepts.height)
    cell = ["accession", "product", "group", "period_end"]
    strange = concepts.filter(pl.col("market_iso3").is_null()).select(cell).unique()
    cells = _one_per_market(concepts, cell, result)
    home, abroad = (cells.filter(pl.col("market_iso3") == market) for market in (rollup.HOME, rollup.ABROAD))
    sums = (
        home.join(abroad.select(*cell, "value", "locator"), on=cell, suffix="_abroad", maintain_order="left")
        .join(cells.filter(pl.col("market_iso3") == rollup.WORLD).select(cell), on=cell, how="anti")
        # A third region beside the two may belong to neither, so that their sum is not the world.
        .join(strange, on=cell, how="anti")
        .with_columns(
            pl.lit(rollup.WORLD).alias("market_iso3"),
            (pl.col("value") + pl.col("value_abroad")).alias("value"),
            pl.format("{} + {}", "locator", "locator_abroad").alias("locator"),
            pl.lit("computed").alias("value_origin"),
            pl.lit(None, dtype=pl.String).alias("before"),
        )
        .select(cells.columns)
    )
    return pl.concat([cells, sums])


def _most_frequent(facts: pl.DataFrame, by: Sequence[str], column: str) -> pl.DataFrame:
    """Facts whose `column` is the most frequent one among those that agree on `by`."""
    most = (
        facts.group_by([*by, column])
        .len()
        .sort([*by, "len", column], descending=[*(False for _ in by), True, False])
        .unique(list(by), keep="first", maintain_order=True)
        .drop("len")
    )
    return facts.join(most, on=[*by, column], how="semi", maintain_order="left")


_Name = tuple[str, str]
_Revenue = dict[tuple[str, date, str], float]


def _revenue_by_filing(totals: pl.DataFrame) -> _Revenue:
    """Each filing's revenue of the whole company by period and market: what its products are checked against."""
    nowhere = Assembled(pl.DataFrame())
    facts = _one_per_market(totals, ["accession", "period_end", "concept"], nowhere)
    chosen = preferred_concept(facts, REVENUE_CONCEPTS, ["accession", "period_end", "market_iso3"], nowhere)
    rows = chosen.select("accession", "period_end", "market_iso3", "value").iter_rows()
    return {(accession, period, market): value for accession, period, market, value in rows}


def _roles(cells: pl.DataFrame, revenue: _Revenue) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What each product of a filing is (leaf, group or kind of revenue), and where the leaves exceed the revenue.

    The first frame has `accession`, `product`, `group`, `role` and `parts` (members of a group); the second has
    `accession`, `period_end`, `market_iso3` and `reason`.
    """
    filings: dict[str, dict[_Name, dict[rollup.Slice, float]]] = defaultdict(lambda: defaultdict(dict))
    columns = ["accession", "product", "group", "period_end", "market_iso3", "value"]
    for accession, product, group, period, market, value in cells.select(columns).iter_rows():
        filings[accession][product, group][period, market] = value
    roles: list[tuple[str, str, str, str, str | None]] = []
    reasons: list[tuple[str, date, str, str]] = []
    for accession, values in sorted(filings.items()):
        kinds = {name for name in values if is_kind_of_revenue(name[0])}
        groups, excess = _leaves(
            {name: table for name, table in values.items() if name not in kinds},
            {(period, market): value for (of, period, market), value in revenue.items() if of == accession},
        )
        for (period, market), share in excess.items():
            reason = (
                f"the products add up to {share:.0%} of the company's revenue: "
                "groups and the products in them could not be told apart"
            )
            reasons.append((accession, period, market, reason))
        for name in values:
            role = "kind" if name in kinds else "group" if name in groups else "leaf"
            parts = ", ".join(part[0] for part in groups.get(name, ())) or None
            roles.append((accession, *name, role, parts))
    of_products = pl.Schema(dict.fromkeys(("accession", "product", "group", "role", "parts"), pl.String()))
    of_years = pl.Schema(
        {"accession": pl.String(), "period_end": pl.Date(), "market_iso3": pl.String(), "reason": pl.String()}
    )
    return (
        pl.DataFrame(roles, schema=of_products, orient="row"),
        pl.DataFrame(reasons, schema=of_years, orient="row"),
    )


def is_kind_of_revenue(member: str) -> bool:
    """Whether a member of a product axis names a kind of revenue (Product, RoyaltyRevenue) and no product."""
    plain = re.sub("[^a-z]", "", member.lower())
    return bool(_KIND_OF_REVENUE.fullmatch(plain)) and not _REST.fullmatch(plain)


def _leaves(
    values: dict[_Name, dict[rollup.Slice, float]], revenue: dict[rollup.Slice, float]
) -> tuple[dict[_Name, tuple[_Name, ...]], dict[rollup.Slice, float]]:
    """Groups among the products of a filing with their members, and the shares of revenue that the leaves exceed."""
    names = sorted(values)
    found = rollup.groups([rollup.Member(name[0], values[name]) for name in names])
    groups = {names[position]: tuple(names[part] for part in parts) for position, parts in found.items()}
    excess = _excess([table for name, table in values.items() if name not in groups], revenue)
    if excess:
        # Where arithmetic does not tell, names may.
        for position in rollup.named_groups([name[0] for name in names]):
            groups.setdefault(names[position], ())
        excess = _excess([table for name, table in values.items() if name not in groups], revenue)
    return groups, excess


def _excess(
    tables: Sequence[dict[rollup.Slice, float]], revenue: dict[rollup.Slice, float]
) -> dict[rollup.Slice, float]:
    """Slices in which the tables add up to more than the company's revenue, with the ratio of both."""
    sums: dict[rollup.Slice, float] = defaultdict(float)
    for table in tables:
        for where, value in table.items():
            sums[where] += value
    return {
        where: total / revenue[where]
        for where, total in sums.items()
        if where in revenue and total > REVENUE_TOLERANCE * revenue[where] > 0
    }


def _sales_columns(*named: pl.Expr) -> list[pl.Expr | str]:
    return [
        *named,
        pl.col("filer_name").alias("seller_name"),
        pl.col("filer_code").alias("seller_code"),
        "market_iso3",
        pl.lit("all").alias("setting"),
        pl.lit("all").alias("route"),
        "period_start",
        "period_end",
        pl.lit("fiscal_year").alias("period_basis"),
        pl.lit("company_net").alias("price_basis"),
        "value",
        "currency",
    ]


def _total_rows(totals: pl.DataFrame) -> pl.DataFrame:
    none = pl.lit(None, dtype=pl.String)
    return totals.select(
        *_sales_columns(
            pl.lit("total").alias("row_kind"),
            none.alias("product_code_system"),
            none.alias("product_code"),
            pl.lit("All products").alias("product_name"),
            none.alias("class_scheme"),
            none.alias("class_code"),
        ),
        *_lineage(pl.when(pl.col("also").is_not_null()).then(pl.format("the filing also states {}", "also"))),
        "series_break",
    )


def _product_rows(cells: pl.DataFrame) -> pl.DataFrame:
    plain = pl.col("product").str.to_lowercase().str.replace_all("[^a-z0-9]", "")
    is_leaf = pl.col("role") == "leaf"
    is_area = is_leaf & plain.is_in(THERAPY_AREAS)
    is_rest = is_area | plain.str.contains("^(all)?other|others?$")
    row_kind = (
        pl.when(~is_leaf).then(pl.lit("total")).when(is_rest).then(pl.lit("remainder")).otherwise(pl.lit("product"))
    )
    is_product = is_leaf & ~is_rest
    has_group = pl.col("group") != ""
    return cells.select(
        *_sales_columns(
            row_kind.alias("row_kind"),
            pl.when(is_product).then(pl.lit("sec_member")).alias("product_code_system"),
            pl.when(is_product).then("product").alias("product_code"),
            pl.col("product").str.normalize("NFKC").alias("product_name"),
            pl.when(has_group).then(pl.lit("filer_segment")).alias("class_scheme"),
            pl.when(has_group).then("group").alias("class_code"),
        ),
        *_lineage(
            pl.when(pl.col("value_origin") == "computed").then(
                pl.lit("sum of the United States and the rest of the world")
            ),
            pl.when(pl.col("role") == "kind").then(pl.lit("a kind of revenue, no product")),
            pl.when(pl.col("role") == "group").then(
                pl.coalesce(pl.format("a group: {}", "parts"), pl.lit("a group, by its name"))
            ),
            pl.when(is_area).then(pl.lit("a field of therapy, no single product")),
        ),
        pl.lit(False).alias("series_break"),
    )
