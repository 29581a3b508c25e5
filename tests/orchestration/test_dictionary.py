"""The catalogue leads from a publisher's column to the marts and back, and the dictionary page shows all of it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.source import discover
from orchestration import dictionary, dictionary_page, model_docs, reader
from orchestration.catalog import SCHEMAS
from tests.built import Home


@pytest.fixture(scope="module")
def release(built: Home) -> Path:
    return reader.current_dir(built.settings)


@pytest.fixture(scope="module")
def described(release: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((release / "dictionary" / "dictionary.json").read_text(encoding="utf-8"))
    return content


def ask(release: Path, sql: str) -> list[tuple[Any, ...]]:
    with reader.open_release(release) as connection:
        return connection.execute(sql).fetchall()


def test_every_mart_says_from_whom_and_under_which_terms(release: Path) -> None:
    lacking = ask(
        release,
        "select table_name from catalog.tables where schema_name = 'marts' and row_count > 0 and (theme is null "
        "or key_columns is null or source_codes is null or licences is null "
        "or (definition_ids is null and table_name <> 'mart_data_coverage'))",
    )
    assert lacking == []
    [(codes,)] = ask(
        release, "select source_codes from catalog.tables where table_name = 'mart_market_biologic_share'"
    )
    assert codes == "ecb_fx, mhlw_ndb, mhlw_nhi_price"


def test_every_example_runs(release: Path) -> None:
    examples = ask(release, "select schema_name, table_name, example_sql from catalog.tables")
    assert len(examples) > 80
    with reader.open_release(release) as connection:
        for schema, table, sql in examples:
            assert table in sql
            assert connection.execute(sql).description, (schema, table)


def test_amounts_and_shares_have_a_unit(release: Path) -> None:
    bare = ask(
        release,
        "select table_name, column_name from catalog.columns where data_type = 'DOUBLE' and unit is null "
        "and regexp_matches(column_name, '_(usd|jpy|eur|lcu|kg|litres|share)$|^share_')",
    )
    assert bare == []
    assert dictionary.unit_of("export_usd", "DOUBLE", "Exports.") == "USD"
    assert dictionary.unit_of("weight", "DOUBLE", "How heavy. Unit: kg of substance.") == "kg of substance"
    assert dictionary.unit_of("usd_like_name", "VARCHAR", "Text.") is None
    assert dictionary.unit_of("fx_lcu_per_usd", "DOUBLE", "Rate.") == "national currency for one USD"


@pytest.mark.parametrize(
    ("mart", "column", "expected"),
    [
        ("mart_market_biologic_share", "sales_jpy", {("mhlw_ndb", "薬価"), ("mhlw_ndb", "総計")}),
        ("mart_regenerative_product", "listed_price_jpy", {("mhlw_nhi_price", "薬価")}),
        ("mart_rnd_level", "criteria", {("oecd_anberd", "CRITERIA"), ("oecd_berd", "CRITERIA")}),
        ("mart_trade_balance", "export_usd", {("un_comtrade", "primaryValue"), ("un_comtrade", "Trade Value (US$)")}),
    ],
)
def test_a_figure_leads_back_to_the_publishers_column(
    release: Path, mart: str, column: str, expected: set[tuple[str, str]]
) -> None:
    found = ask(
        release,
        "select source_code, publisher_column from catalog.source_to_mart where publisher_column is not null "
        f"and mart_name = '{mart}' and mart_column = '{column}'",
    )
    assert expected <= set(found)
    if mart == "mart_market_biologic_share":
        assert set(found) == expected


def test_the_map_holds_together(release: Path) -> None:
    named = {(c, t, n, p) for c, t, n, p in dictionary.publisher_columns()}
    read = ask(
        release,
        "select distinct source_code, fact_table, fact_column, publisher_column from catalog.source_to_mart "
        "where origin_kind = 'column'",
    )
    assert read
    assert set(read) <= named
    curated = {code for code, source in discover().items() if source.spec.kind == "curated"}
    typed = ask(release, "select distinct source_code from catalog.source_to_mart where origin_kind = 'document'")
    assert {code for (code,) in typed} <= curated
    broken = ask(
        release,
        "select origin_kind, count(*) from catalog.source_to_mart where origin_kind not in ('column', 'document', "
        "'rule') or (origin_kind = 'column') <> (publisher_column is not null) group by all",
    )
    assert broken == []
    # Only a mart whose every row says that nothing is at hand rests on no column: its source has no rows.
    unread = ask(
        release,
        "select tables.table_name, tables.source_codes, sources.row_count from catalog.tables "
        "left join catalog.sources on sources.source_code = tables.source_codes where schema_name = 'marts' "
        "and tables.row_count > 0 and tables.table_name not in (select mart_name from catalog.source_to_mart)",
    )
    assert unread == [("mart_trial_share", "clinicaltrials", 0)]
    assert ask(release, "select distinct reason_code from mart_trial_share") == [("no_trials_at_hand",)]
    gone = ask(
        release,
        "select mart_name, mart_column from catalog.source_to_mart anti join catalog.columns "
        "on columns.table_name = mart_name and columns.column_name = mart_column",
    )
    assert gone == []


@pytest.mark.parametrize(
    ("wording", "kind", "name"),
    [
        ("overseas", "table", "mart_overseas_manufacturing_share"),
        ("SHARE_SALES", "column", "share_sales"),
        ("薬価基準", "publisher_column", "product_code"),
        ("ndb_all_routes", "definition", "ndb_all_routes"),
        ("world bank", "source", "worldbank_wdi"),
        # Every word, in any order, without the s of a plural.
        ("dependency criteria imports", "table", "mart_import_dependency"),
        ("Vaccines medicine", "basket", "vaccines_human"),
        ("ペムブロリズマブ", "substance", "pembrolizumab"),
        ("roche ロシュ", "company", "roche"),
        ("antibody 2015", "rule_set", "antibodies_only"),
        ("drug-substance sites", "indicator", "api_sites"),
        ("抗体", "modality", "monoclonal_antibody"),
    ],
)
def test_search_finds_every_kind(release: Path, wording: str, kind: str, name: str) -> None:
    found = ask(release, f"select kind, coalesce(column_name, table_name, source_code) from search('{wording}')")
    assert (kind, name) in found


def test_search_takes_a_wording_as_it_is(release: Path) -> None:
    assert ask(release, "from search('%')") != ask(release, "from search('')")
    assert ask(release, "from search('no such wording at all')") == []
    assert ask(release, "from search('pembrolizumab roche')") == []


class Page(HTMLParser):
    """Ids, links, and what a page would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "srcset", "poster", "background"} or (name == "href" and tag != "a"):
                self.loads.append(value or "")
            elif name == "href":
                self.links.append(value or "")


def test_the_page_holds_everything_and_loads_nothing(release: Path, described: dict[str, Any]) -> None:
    path = release / "dictionary" / "index.html"
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.loads == []
    assert "@import" not in text
    assert "url(" not in text
    assert path.stat().st_size < 1_500_000
    assert len(set(page.ids)) == len(page.ids)
    expected = {f"{t['schema']}.{t['table']}.{c['name']}" for t in described["tables"] for c in t["columns"]}
    assert expected <= set(page.ids)
    for link in page.links:
        assert link.startswith(("https://", "http://")) or link == "dictionary.json" or link[1:] in page.ids, link
    assert {source["source_code"] for source in described["sources"]} == set(discover())


def test_no_text_of_the_catalogue_becomes_markup(described: dict[str, Any]) -> None:
    hostile = "</code><script>alert(1)</script>"
    changed = json.loads(json.dumps(described))
    changed["tables"][0]["description"] = hostile
    changed["tables"][0]["columns"][0]["description"] = hostile
    changed["definitions"][0]["sentence"] = hostile
    changed["sources"][0]["citation"] = hostile
    changed["publisher_columns"][0]["publisher_column"] = hostile
    text = dictionary_page.page(changed, SCHEMAS)
    assert hostile not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5
    assert Page(text).scripts == 1


def test_model_docs_hold_the_models_and_nothing_of_elsewhere(release: Path, built: Home) -> None:
    packed = (release / "dbt_docs" / "index.html").read_text(encoding="utf-8")
    assert len(packed) < 2_000_000
    text = model_docs.unpacked(packed)
    assert "mart_market_biologic_share" in text
    assert '"warehouse"."staging"."stg_reference_rate"' in text.replace('\\"', '"'), "compiled SQL is shown"
    loads = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']?((?:https?:)?//[^\"' >]+)", text)
    assert loads == []
    for word in ("cloudfront", "sinter-collect", str(built.settings.home), str(Path.cwd())):
        assert word not in text
    assert '"send_anonymous_usage_stats": false' in text


def test_a_page_of_dbt_without_a_place_for_data_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for its data"):
        model_docs.assemble("<html></html>", {}, {})
    shell = '<link rel="canonical" href="/x/"><script>n={m:"MANIFEST.JSON INLINE DATA",c:"CATALOG.JSON INLINE DATA"}'
    made = model_docs.assemble(shell, {"text": "</script>"}, {"a": 1})
    assert made == '<script>n={m:{"text": "<\\/script>"},c:{"a": 1}}'
    assert model_docs.unpacked(model_docs.packed(made)) == made


def test_lineage_is_published_for_every_column_that_has_one(release: Path) -> None:
    with duckdb.connect(str(release / reader.DATABASE), read_only=True) as connection:
        [(gone,)] = connection.execute(
            "select count(*) from catalog.column_lineage as l anti join catalog.columns as c on c.schema_name = "
            "l.origin_schema and c.table_name = l.origin_table and c.column_name = l.origin_column"
        ).fetchall()
    assert gone == 0


def test_no_page_of_the_release_loads_anything_from_elsewhere(release: Path) -> None:
    pages = [path for path in release.rglob("*.html") if path.parent.name != "dbt_docs"]
    folders = {path.relative_to(release).parts[0] for path in pages}
    assert {"data_docs", "dictionary"} <= folders
    for path in pages:
        text = path.read_text(encoding="utf-8")
        for load in Page(text).loads:
            assert not re.match(r"(?:[a-z]+:)?//", load), (path, load)
            if not load.startswith(("data:", "#")):
                assert (path.parent / load.split("#")[0].split("?")[0]).resolve().is_file(), (path, load)
    for path in [*pages, *release.rglob("*.css")]:
        style = path.read_text(encoding="utf-8")
        assert not re.search(r"@import\s|url\(\s*[\"']?(?:https?:)?//", style), path
