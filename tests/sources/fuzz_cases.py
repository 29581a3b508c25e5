"""A cut of real bytes for every source with a parser: what the fuzz test damages."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from copy import deepcopy
from pathlib import Path
from typing import Any

from lxml import etree

from ingest.source import SOURCES_DIR, discover
from tests.conftest import shared_file
from tests.sources import (
    test_ema_medicines,
    test_estat,
    test_fda_drugsatfda,
    test_health_canada_dpd,
    test_mof_customs,
    test_unsd_hs,
)
from tests.sources.fuzzing import (
    Case,
    Content,
    Grid,
    grid,
    json_case,
    text_case,
    text_writer,
    workbook_case,
    xml_case,
)
from tests.sources.real_files import EDITIONS

CSV_MEMBER = "eurofxref-hist.csv"
IX = "{http://www.xbrl.org/2013/inlineXBRL}"
XBRLI = "{http://www.xbrl.org/2003/instance}"


def _only(code: str) -> str:
    return EDITIONS[code][0]


def _drugs_at_fda() -> Case:
    """Three tables of the archive, cut to the same applications; the others stay whole."""

    def make() -> Content:
        return {
            name: Grid([], list(table.header), [list(row) for row in table.rows])
            for name, table in test_fda_drugsatfda.tables().items()
        }

    def write(content: Content, folder: Path) -> list[Path]:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, table in content.items():
                text = "".join("\t".join(line) + "\r\n" for line in table.lines())
                archive.writestr(zipfile.ZipInfo(name, (2019, 7, 2, 14, 30, 0)), text)
        path = folder / "drugsatfda.zip"
        path.write_bytes(stream.getvalue())
        return [path]

    return Case("fda_drugsatfda", "zip", make, write, parts=("Applications.txt", "Products.txt", "Submissions.txt"))


def _drug_products_of_canada() -> Case:
    """Tables without headers: a line of places stands in for one, and is not written."""

    def make() -> Content:
        return {
            f"{name}.txt": Grid(
                [], [str(place) for place in range(len(rows[0]) if rows else 0)], [list(row) for row in rows]
            )
            for name, rows in test_health_canada_dpd.cut(12).items()
        }

    def write(content: Content, folder: Path) -> list[Path]:
        path = folder / "allfiles.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, table in content.items():
                stream = io.StringIO()
                csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([*table.above, *table.rows])
                archive.writestr(zipfile.ZipInfo(name, (2026, 4, 1, 17, 39, 0)), stream.getvalue())
        return [path]

    return Case(
        "health_canada_dpd",
        "zip",
        make,
        write,
        parts=("drug.txt", "status.txt"),
        exempt=dict.fromkeys(("move_column", "reverse_columns"), "without a header only the place tells a column"),
    )


def _table(code: str, name: str, make: Any) -> Case:
    """A table that the source's own tests make, as CSV."""

    def content() -> Content:
        table = make()
        return {name: Grid([], list(table.header), [list(row) for row in table.rows])}

    return Case(code, "text", content, text_writer(","), encoding="utf-8")


def _concordance() -> Case:
    """The rows of one heading in both sheets of a real workbook."""
    base = workbook_case("unsd_hs", "HS2017toHS2012ConversionAndCorrelationTables.xlsx", "", 0)

    def make() -> Content:
        correlations, conversions = test_unsd_hs.cut()
        return {
            sheet: Grid([], list(table.header), [list(row) for row in table.rows])
            for sheet, table in (("Correlation Tables", correlations), ("Conversions", conversions))
        }

    return Case("unsd_hs", "workbook", make, base.write)


def _curated(code: str) -> list[Case]:
    """Each reviewed table of a curated source."""
    cases = []
    for path in sorted((SOURCES_DIR / code / "edition").glob("*.csv")):

        def make(path: Path = path) -> Content:
            return {path.name: grid(path.read_text(encoding="utf-8"), ",", 0, lambda line: True, 12)}

        cases.append(Case(code, path.stem, make, text_writer(","), encoding="utf-8"))
    return cases


def _company_facts() -> Any:
    """The newest states of each concept of one company."""
    content = json.loads(shared_file(_only("sec_companyfacts")).read_bytes())
    for concepts in content["facts"].values():
        for concept in concepts.values():
            for unit, states in concept["units"].items():
                concept["units"][unit] = [state for state in states if state.get("form") == "10-K"][-4:]
    return content


def _anberd() -> Any:
    content = json.loads(shared_file(_only("oecd_anberd")).read_text(encoding="utf-8"))
    data = content.get("data", content)["dataSets"][0]
    data["observations"] = dict(list(data["observations"].items())[:25])
    return content


def _estat() -> Any:
    return test_estat.table(*test_estat.REAL_FIGURES)


def _inline() -> bytes:
    """The facts of a real annual report that the parser is after, with their contexts, and none of its text."""
    root = etree.fromstring(
        shared_file(_only("sec_ixbrl")).read_bytes(), etree.XMLParser(resolve_entities=False, huge_tree=True)
    )
    wanted = ("Revenue", "ResearchAndDevelopment")
    facts = [f for f in root.iter(f"{IX}nonFraction") if any(word in f.get("name", "") for word in wanted)][:40]
    facts += [f for f in root.iter(f"{IX}nonNumeric") if f.get("name", "").startswith("dei:")]
    used = {fact.get("contextRef") for fact in facts}
    header = next(root.iter(f"{IX}header"))
    for context in list(header.iter(f"{XBRLI}context")):
        if context.get("id") not in used:
            context.getparent().remove(context)
    copies = []
    for fact in facts:
        copy = deepcopy(fact)
        copy.tail = "\n"
        if copy.tag == f"{IX}nonNumeric":
            text = "".join(copy.itertext())
            for child in list(copy):
                copy.remove(child)
            copy.text = text
        copies.append(copy)
    body = next(element for element in root if etree.QName(element).localname == "body")
    kept = deepcopy(header)
    for child in list(body):
        body.remove(child)
    body.append(kept)
    body.extend(copies)
    return etree.tostring(root)


def _label() -> bytes:
    text = shared_file(EDITIONS["fda_spl"][0]).read_text(encoding="utf-8")
    first = text.index("<component>")
    section = text[first : text.index("</section>", first) + len("</section>")]
    return (text[:first] + section + "</component></structuredBody></component></document>").encode()


CASES: tuple[Case, ...] = (
    text_case("cepii_baci", "BACI_HS17_Y2020_V202301.csv", _only("cepii_baci")),
    json_case(
        "clinicaltrials",
        "nct04207047.json",
        lambda: json.loads(shared_file("clinicaltrials/NCT04207047.v2.json").read_bytes()),
    ),
    workbook_case(
        "cms_part_b",
        "DSD_PTB_R20_P06_V10_YTD19_WebExport - 201203.xlsx",
        _only("cms_part_b"),
        5,
        sheets=["Spending & Utilization YTD 2019"],
    ),
    text_case("cms_part_d", "DSD_PTD_RY24_P04_V10_DY22_BGM.csv", _only("cms_part_d"), rows=12),
    text_case("ecb_fx", CSV_MEMBER, _only("ecb_fx"), rows=12, member=CSV_MEMBER, is_mean=True),
    workbook_case("ema_medicines", "medicines_output_medicines_en.xlsx", _only("ema_medicines"), 8),
    workbook_case(
        "ema_medicines",
        "medicines_output_epar.xlsx",
        "ema_medicines/Medicines_output_EPAR_generated_2018-12-23.xlsx",
        8,
    ),
    json_case(
        "ema_medicines",
        "medicines-output.json",
        test_ema_medicines.record,
    ),
    text_case(
        "eurostat_prodcom",
        "prodcom_2013to2025.csv",
        _only("eurostat_prodcom"),
        keep=lambda line: line[4].startswith("2120") and line[2] == "2019",
    ),
    text_case(
        "eurostat_rd",
        "rd_e_gerdtot.tsv",
        _only("eurostat_rd"),
        delimiter="\t",
        rows=12,
        keep=lambda line: ",EUR," in line[0] or ",MIO_EUR," in line[0],
    ),
    text_case(
        "fda_decrs",
        "drls_reg_2025-07-25.txt",
        _only("fda_decrs"),
        delimiter="\t",
        encoding="utf-8",
        newline="\r\n",
    ),
    _drugs_at_fda(),
    _drug_products_of_canada(),
    text_case(
        "fda_ndc", "product_2019-04-29.txt", _only("fda_ndc"), delimiter="\t", encoding="cp1252", newline="\r\n"
    ),
    text_case(
        "fda_ndc_unfinished",
        "unfinished_product_2018-06-25.txt",
        _only("fda_ndc_unfinished"),
        delimiter="\t",
        encoding="cp1252",
        newline="\r\n",
        member="unfinished_product.txt",
    ),
    text_case("fda_purple_book", "purplebook_2025.csv", _only("fda_purple_book"), rows=40),
    xml_case("fda_spl", "viagra.xml", _label),
    workbook_case("jrc_scoreboard", "SB2023_World2500.xlsx", _only("jrc_scoreboard"), 0),
    workbook_case("mhlw_ndb", "ndb_t_2019.xlsx", "mhlw_ndb/ndb_t_2019.xlsx", 2),
    text_case("mhlw_nhi_price", "mhlw_price_20191001.csv", _only("mhlw_nhi_price")),
    _table("mof_customs", test_mof_customs.FIXED, test_mof_customs.imports),
    text_case("ncses_berd", "data.csv", _only("ncses_berd"), rows=30),
    text_case("ncses_patents", "ncses_5835.csv", _only("ncses_patents"), rows=48),
    json_case("oecd_anberd", "anberd_c21.json", _anberd),
    text_case("oecd_berd", "berd_indu_c21.csv", _only("oecd_berd")),
    text_case("oecd_msti", "msti_excerpt.csv", _only("oecd_msti")),
    json_case("sec_companyfacts", "CIK0000200406.json", _company_facts),
    text_case(
        "sec_fsds",
        "num_slice_LLY_FY2025.txt",
        "sec_edgar/fsds/num_slice_LLY_FY2025.txt",
        delimiter="\t",
        rows=60,
        exempt=dict.fromkeys(("negative", "accounting"), "a loss in one market is a figure that enters sums"),
    ),
    xml_case("sec_ixbrl", "abbv-20241231_10-K_filed_2025-02-14.htm", _inline),
    text_case("un_comtrade", "comtrade_2017.csv", _only("un_comtrade")),
    json_case(
        "un_comtrade",
        "comtrade_data_test.json",
        lambda: json.loads(shared_file("un_comtrade/data_v1_get_C_A_HS.raw_body_CHN_2010.json").read_text()),
    ),
    _concordance(),
    text_case("worldbank_wdi", "API_GB.XPD.RSDV.GD.ZS_DS2_en_csv_v2_232.csv", _only("worldbank_wdi"), header_at=4),
    json_case("estat", "getStatsData_0009999999_page_001.json", _estat),
    *(case for code, source in discover().items() if source.spec.kind == "curated" for case in _curated(code)),
)
