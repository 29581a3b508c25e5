"""The vocabulary of biologic substances: whole in itself, and true to the publishers' lists it was made from."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

import fastexcel
import polars as pl
import pytest

from ingest import vocabulary
from tests.conftest import shared_file

SharedData = Callable[[str], Path]

PRICE_LISTS = ("20150401", "20191001", "20250716")
NDB_2019 = ("ndb_p_2019", "ndb_o_2019_in", "ndb_o_2019_out", "ndb_o_2019_hos", "ndb_t_2019")
MARK = "遺伝子組換え"

# The list of 2015 calls these purified FSH products by the name of menotropins; the prefix holds nothing else.
PREFIXES_DECIDED_BY_PRODUCT = {"2413403"}


def normal(name: str | pl.Expr) -> pl.Expr:
    """The form in which names are compared: NFKC, lower case, no blanks."""
    expression = pl.col(name) if isinstance(name, str) else name
    return expression.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s", "")


def aliases(scheme: str) -> pl.DataFrame:
    """Aliases of one scheme with substance and modality."""
    return (
        vocabulary.table("substance_alias")
        .filter(pl.col("alias_scheme") == scheme)
        .join(vocabulary.table("substance").select("substance_id", "modality"), on="substance_id", how="left")
        .select("alias", "substance_id", "modality")
    )


def total(rows: pl.DataFrame) -> float:
    """Yen of some rows; suppressed rows count nothing."""
    return float(rows.select(pl.col("yen").sum()).item())


def counted(ruleset_id: str) -> set[str]:
    """Modalities that count under a rule set."""
    rules = vocabulary.table("modality_rule")
    return set(rules.filter((pl.col("ruleset_id") == ruleset_id) & pl.col("is_biologic"))["modality"])


@cache
def price_list(day: str) -> pl.DataFrame:
    """Code, first seven characters of it, ingredient (as compared, as published) and mark of one NHI price list."""
    path = shared_file(f"mhlw_nhi_price/mhlw_price_{day}.csv")
    frame: pl.DataFrame = pl.read_csv(path, infer_schema=False).select(
        code=pl.col("薬価基準収載医薬品コード").str.normalize("NFKC").str.strip_chars(),
        nhi_7=pl.col("薬価基準収載医薬品コード").str.normalize("NFKC").str.slice(0, 7),
        ingredient=normal("成分名"),
        is_marked=pl.col("成分名").str.normalize("NFKC").str.contains(MARK),
        as_published=pl.col("成分名"),
    )
    return frame


def read_ndb(name: str) -> pl.DataFrame:
    """Code, product name and yen (price x total) of every product row of one NDB workbook."""
    workbook = fastexcel.read_excel(shared_file(f"mhlw_ndb/{name}.xlsx"))
    sheets: list[pl.DataFrame] = []
    for sheet in workbook.sheet_names:
        cells = workbook.load_sheet(sheet, header_row=None, skip_rows=2, dtypes="string").to_polars()
        header = [re.sub(r"\s", "", cell or "") for cell in cells.row(0)]
        column = {title: cells.columns[header.index(title)] for title in header if title}
        sheets.append(
            cells.slice(2).select(
                code=pl.col(column["薬価基準収載医薬品コード"]).str.normalize("NFKC").str.strip_chars(),
                product=pl.col(column["医薬品名"]).str.normalize("NFKC"),
                yen=pl.col(column["薬価"]).cast(pl.Float64, strict=False)
                * pl.col(column["総計"]).cast(pl.Float64, strict=False),
                book=pl.lit(name),
            )
        )
    return pl.concat(sheets).filter(pl.col("code").is_not_null())


@cache
def ndb_2019() -> pl.DataFrame:
    """NDB FY2019 with the substance by the first seven characters and the mark of the price list of 2019."""
    listed = price_list("20191001").select("code", "is_marked").unique(subset="code")
    return (
        pl.concat([read_ndb(name) for name in NDB_2019])
        .with_columns(alias=pl.col("code").str.slice(0, 7))
        .join(aliases("nhi_7"), on="alias", how="left")
        .join(listed, on="code", how="left")
    )


def yen_share(ruleset_id: str) -> float:
    """Share of NDB FY2019 yen that counts under a rule set."""
    rows = ndb_2019()
    biologic = rows.filter(pl.col("modality").is_in(counted(ruleset_id)))
    return total(biologic) / total(rows)


# Whole in itself


@pytest.mark.parametrize("name", ["modality", "modality_ruleset", "modality_rule", "substance", "substance_alias"])
def test_rows_stand_in_the_order_of_their_key(name: str) -> None:
    frame = vocabulary.table(name)
    key = list(vocabulary.tables()[name].key)
    assert frame.height > 0
    assert frame.equals(frame.sort(key))


def test_every_rule_set_decides_every_modality() -> None:
    pairs = set(vocabulary.table("modality_rule").select("ruleset_id", "modality").iter_rows())
    rulesets = vocabulary.table("modality_ruleset")["ruleset_id"]
    modalities = vocabulary.table("modality")["modality"]
    assert pairs == {(ruleset, modality) for ruleset in rulesets for modality in modalities}


def test_one_rule_set_is_the_headline() -> None:
    rulesets = vocabulary.table("modality_ruleset")
    assert rulesets.filter("is_headline")["ruleset_id"].to_list() == ["recombinant_mark"]
    assert rulesets["source_url"].drop_nulls().str.contains(r"^https?://[^ ]+$").all()


def test_rule_sets_nest() -> None:
    assert counted("antibodies_only") < counted("narrow") < counted("broad")
    assert counted("recombinant_mark") < counted("broad") < counted("broad_with_peptides_oligo")
    assert counted("us_bla") < counted("broad_with_peptides_oligo")
    assert not counted("broad_with_peptides_oligo") & {"small_molecule", "botanical"}


def test_no_row_points_nowhere_and_none_is_idle() -> None:
    substances = vocabulary.table("substance")
    named = set(vocabulary.table("substance_alias")["substance_id"])
    assert named == set(substances["substance_id"])
    assert set(substances["modality"]) == set(vocabulary.table("modality")["modality"])


def test_ids_and_aliases_are_well_formed() -> None:
    substances = vocabulary.table("substance")
    assert substances["substance_id"].str.contains(r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$").all()
    assert substances["reviewed_on"].unique().to_list() == [date(2026, 11, 22)]
    every = vocabulary.table("substance_alias")
    assert every.filter(pl.col("alias") != normal("alias")).is_empty()
    assert aliases("nhi_7")["alias"].str.contains(r"^[0-9]{7}$").all()
    assert (every["basis"].str.len_chars() > 3).all()


# True to the price lists


@pytest.mark.parametrize("day", PRICE_LISTS)
def test_every_marked_ingredient_is_mapped_to_a_recombinant_modality(day: str) -> None:
    marked = price_list(day).filter("is_marked").unique(subset="ingredient")
    mapped = marked.join(aliases("nhi_ingredient"), left_on="ingredient", right_on="alias", how="left")
    assert marked.height > 90
    assert mapped.filter(pl.col("substance_id").is_null())["ingredient"].to_list() == []
    assert set(mapped["modality"]) <= counted("recombinant_mark")


def test_ingredients_of_the_list_of_october_2019() -> None:
    listed = price_list("20191001").filter("is_marked")
    assert (listed["as_published"].n_unique(), listed.height) == (150, 423)
    # One of them stands in two spellings that differ by a blank.
    assert listed["ingredient"].n_unique() == 149


@pytest.mark.parametrize("day", PRICE_LISTS)
def test_no_unmarked_ingredient_has_a_recombinant_modality(day: str) -> None:
    unmarked = price_list(day).filter(~pl.col("is_marked")).unique(subset="ingredient")
    mapped = unmarked.join(aliases("nhi_ingredient"), left_on="ingredient", right_on="alias")
    wrong = mapped.filter(pl.col("modality").is_in(counted("recombinant_mark")))
    assert mapped.height > 100
    assert wrong["ingredient"].to_list() == []


def test_a_prefix_holds_one_substance_and_nothing_unmapped() -> None:
    listed = pl.concat([price_list(day) for day in PRICE_LISTS]).select("nhi_7", "ingredient").unique()
    by_prefix = aliases("nhi_7").join(listed, left_on="alias", right_on="nhi_7")
    by_name = by_prefix.join(
        aliases("nhi_ingredient"), left_on="ingredient", right_on="alias", how="left", suffix="_by_name"
    ).filter(~pl.col("alias").is_in(PREFIXES_DECIDED_BY_PRODUCT))
    differing = by_name.filter(pl.col("substance_id").ne_missing(pl.col("substance_id_by_name")))
    assert differing.select("alias", "ingredient").rows() == []


def test_every_prefix_of_a_mapped_ingredient_is_mapped() -> None:
    listed = pl.concat([price_list(day) for day in PRICE_LISTS]).select("nhi_7", "ingredient").unique()
    of_mapped = listed.join(aliases("nhi_ingredient"), left_on="ingredient", right_on="alias", how="semi")
    missing = of_mapped.join(aliases("nhi_7"), left_on="nhi_7", right_on="alias", how="anti")
    assert missing.rows() == []


def test_every_ingredient_alias_stands_in_a_list() -> None:
    listed = pl.concat([price_list(day) for day in PRICE_LISTS])
    unknown = aliases("nhi_ingredient").join(listed, left_on="alias", right_on="ingredient", how="anti")
    assert unknown["alias"].to_list() == []


# True to NDB


def test_ndb_total_and_recombinant_share_by_the_mark() -> None:
    rows = ndb_2019()
    assert rows.height == 26_714
    assert total(rows) == pytest.approx(9.05e12, rel=0.001)
    assert total(rows.filter("is_marked")) / total(rows) == pytest.approx(0.195, abs=0.0005)


def test_prefixes_repeat_the_mark() -> None:
    rows = ndb_2019()
    marked = rows.filter("is_marked")
    assert marked.filter(pl.col("substance_id").is_null()).is_empty()
    injections = marked.filter(pl.col("book") == "ndb_p_2019")
    assert total(injections.filter(pl.col("substance_id").is_not_null())) == total(injections) > 1.7e12
    by_prefix = yen_share("recombinant_mark") * total(rows)
    assert by_prefix == pytest.approx(total(marked), rel=0.005)
    assert by_prefix == pytest.approx(1.761e12, rel=0.001)
    both = rows.filter(pl.col("is_marked").is_not_null())
    differs = both.filter(
        pl.col("is_marked") != pl.col("modality").is_in(counted("recombinant_mark")).fill_null(False)
    )
    assert differs["product"].to_list() == []


@pytest.mark.parametrize(
    ("ruleset_id", "share"),
    [
        ("antibodies_only", 0.1280),
        ("narrow", 0.1812),
        ("recombinant_mark", 0.1946),
        ("us_bla", 0.2172),
        ("broad", 0.2334),
        ("broad_with_peptides_oligo", 0.2607),
    ],
)
def test_share_of_ndb_yen_by_rule_set(ruleset_id: str, share: float) -> None:
    assert yen_share(ruleset_id) == pytest.approx(share, abs=0.0001)


def test_narrower_rules_never_count_more_yen() -> None:
    order = ["antibodies_only", "narrow", "recombinant_mark", "us_bla", "broad", "broad_with_peptides_oligo"]
    shares = [yen_share(ruleset) for ruleset in order]
    assert shares == sorted(shares)


@pytest.mark.parametrize("book", ["ndb_p_2014", "ndb_p_2016", "ndb_p_2018", "ndb_p_2019"])
def test_biosimilars_of_ndb_are_mapped(book: str) -> None:
    biosimilar = read_ndb(book).filter(pl.col("product").str.contains(r"BS[^G]|\(遺伝子組換え\)"))
    mapped = biosimilar.with_columns(alias=pl.col("code").str.slice(0, 7)).join(
        aliases("nhi_7"), on="alias", how="left"
    )
    assert mapped.height > 20
    outside = mapped.filter(~pl.col("modality").is_in(counted("recombinant_mark")).fill_null(False))
    assert outside["product"].unique().to_list() == []


# True to the lists of other agencies


def part_b_names() -> pl.DataFrame:
    """Generic names of Medicare's Part B table of 2019, without footnote marks, as compared."""
    path = shared_file("cms_medicare/DSD_PTB_R20_P06_V10_YTD19_WebExport - 201203.xlsx")
    sheet: pl.DataFrame = fastexcel.read_excel(path).load_sheet(1, header_row=None, dtypes="string").to_polars()
    return sheet.slice(6).select(alias=normal(pl.nth(3).str.replace(r"\*+$", ""))).unique()


def test_us_names_stand_in_the_listings_and_biologic_stems_are_mapped(
    shared_data: SharedData, tmp_path: Path
) -> None:
    with zipfile.ZipFile(shared_data("fda_ndc_unfinished/unfinished.zip")) as archive:
        member = archive.extract("unfinished_product.txt", tmp_path)
    listing = pl.read_csv(member, separator="\t", encoding="latin-1", quote_char=None, infer_schema=False)
    names = listing.select(name=pl.col("SUBSTANCENAME")).drop_nulls().unique().with_columns(alias=normal("name"))
    known = aliases("us_substance")
    elsewhere = known.join(names, on="alias", how="anti")
    assert elsewhere.join(part_b_names(), on="alias", how="anti")["alias"].to_list() == []
    stems = (
        r"MAB\b|CEPT, |CEPT$|^INSULIN |INTERFERON|GRASTIM|SULFASE|SIDASE|LUCERASE|PLASE$|TROPIN\b|TROPINS$"
        r"|HEPARIN|PARIN SODIUM|GLUTIDE|RELIN|RELIX|RSEN$| ALFA\b"
    )
    alike = names.filter(pl.col("name").str.contains(stems) & ~pl.col("name").str.contains(";"))
    # Names that end like those of biologics and are none: two small molecules, and a dextran with sugars.
    none = {"ANAMORELIN HYDROCHLORIDE", "CAPROMORELIN TARTRATE", "TILMANOCEPT"}
    missing = alike.join(known, on="alias", how="anti")
    assert alike.height > 100
    assert set(missing["name"]) == none


def test_every_substance_of_the_european_extract_is_mapped(shared_data: SharedData) -> None:
    sites = pl.read_csv(shared_data("origin_facts/epar_annex2_biological_active_substance_sites_sample.csv"))
    substances = sites.select(alias=normal("inn")).unique()
    mapped = substances.join(aliases("inn"), on="alias", how="left")
    assert mapped.height == 6
    assert set(mapped["modality"]) == {"monoclonal_antibody", "fc_fusion_protein", "plasma_derived_product"}
