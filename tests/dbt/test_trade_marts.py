"""Trade and supply marts: figures on the bundled edition, and cases computed by others, run through the models.

The cases stand in a throw-away warehouse: real monthly reports of vaccines loaded by the connector, and small tables
(world trade by SITC, market shares, production balances) put into the canonical tables under schemes and baskets of
their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from ingest import lake, vocabulary, workfile
from ingest.load import load_bundled, load_files
from ingest.settings import Settings
from tests.conftest import shared_file
from tests.dbt.conftest import DBT_PROJECT, Build, run_dbt
from tests.factories import synthetic_rows
from tests.sources.rnd import source_of

VACCINES = "method/trade_vaccines_300220"
SITC = "method/ecomplexity_sitc2"
EFPIA = "method/efpia_2023_balance"
LEGACY_YEARS = (2010, 2011, 2013, 2014, 2015, 2016, 2017, 2019, 2020)
FOCUS_YEARS = (2012, 2018)
EDITION = "2026-01-01.reference"
MODELS = ["path:models/staging", "int_fx", "path:models/intermediate/trade", "path:models/marts/trade"]
# Names of the printed table that are not the English name of the UN list.
NAMES = {"Netherlands": "NLD", "United Kingdom": "GBR", "Turkey": "TUR"}

# Markets whose growth reproduces a printed decomposition: any two do, so long as no flow becomes negative.
LOW_GROWTH, HIGH_GROWTH = -0.99, 70.0
# Printed first term of Ireland over its printed exports of 2012.
ALL_MARKETS_GROWTH = 1182782201.4897 / 3231455475.0


def table(relative: str) -> pl.DataFrame:
    return pl.read_csv(shared_file(relative), infer_schema_length=None)


def areas(codes: pl.Series) -> pl.Series:
    known = {int(code): iso3 for code, iso3 in vocabulary.table("comtrade_area").select("code", "iso3").iter_rows()}
    return codes.replace_strict(known, return_dtype=pl.String)


# The bundled edition ----------------------------------------------------------------------------------------------


def test_japans_deficit_in_vaccines(build: Build) -> None:
    rows = build.rows(
        "select * from marts.mart_trade_balance where country_iso3 = 'JPN' and basket_id = 'vaccines_human' "
        "order by year"
    )
    assert [row["year"] for row in rows] == [2010, 2011, 2013, 2015, 2016, 2017, 2019, 2020]
    imports = [round(row["import_usd"] / 1e6, 1) for row in rows]
    assert imports == [557.2, 1196.7, 566.0, 369.8, 538.9, 445.1, 360.9, 514.4]
    assert [round(row["normalised_balance"], 2) for row in rows] == [
        -0.9,
        -0.93,
        -0.95,
        -0.94,
        -0.94,
        -0.95,
        -0.73,
        -0.86,
    ]
    assert {row["n_months_import"] for row in rows} == {12}
    assert {row["publisher_import"] for row in rows} == {"un_comtrade_retired_annual"}
    assert {row["reason_code"] for row in rows} == {None}
    assert all("unnamed_hs_revision" in row["definition_ids"] for row in rows)


def test_countries_with_single_partners_have_no_balance(build: Build) -> None:
    assert build.rows("select distinct country_iso3 from marts.mart_trade_balance") == [{"country_iso3": "JPN"}]


def test_a_basket_without_its_codes_has_no_figure(build: Build) -> None:
    rows = build.rows(
        "select * from marts.mart_trade_balance "
        "where basket_id in ('biologics_narrow', 'heading_3002') and year = 2019"
    )
    assert len(rows) == 2
    for row in rows:
        assert row["reason_code"] == "codes_not_loaded"
        assert row["coverage_share"] < 1
        assert row["export_usd"] is row["import_usd"] is row["balance_usd"] is row["grubel_lloyd"] is None


def test_a_deficit_is_no_dependency(build: Build) -> None:
    rows = build.rows("select * from marts.mart_import_dependency where basket_id = 'vaccines_human' order by year")
    assert [round(row["hhi"], 2) for row in rows] == [0.22, 0.43, 0.51, 0.29, 0.27, 0.32, 0.24, 0.27]
    assert [row["year"] for row in rows if row["is_import_concentrated"]] == [2011, 2013]
    assert all(row["is_not_substitutable"] for row in rows)
    assert {row["hhi_world_export"] for row in rows} == {None}
    assert {row["reason_code"] for row in rows} == {"no_world_table"}
    assert [row["is_dependent"] for row in rows] == [False, None, None, False, False, False, False, False]


def test_indices_against_the_world_are_null_without_a_world(build: Build) -> None:
    row = build.row(
        "select count(*) as n, count(rca) + count(rsca) + count(arca) + count(nrca) + count(world_share) as filled, "
        "count(distinct reason_code) as reasons, min(reason_code) as reason, max(n_reporters) as reporters "
        "from marts.mart_trade_specialisation"
    )
    assert row == {"n": 8, "filled": 0, "reasons": 1, "reason": "no_world_table", "reporters": 1}


def test_irish_vaccines_for_japan_in_two_reports(build: Build) -> None:
    row = build.row(
        "select * from marts.mart_mirror_gap where year = 2017 and exporter_iso3 = 'IRL' and importer_iso3 = 'JPN'"
    )
    assert row["importer_report_usd"] == pytest.approx(208.9e6, abs=5e4)
    assert row["exporter_report_usd"] == pytest.approx(46.8e6, abs=5e4)
    assert (row["low_usd"], row["high_usd"]) == (row["exporter_report_usd"], row["importer_report_usd"])
    assert not row["agrees_within_25_percent"]


def test_exports_to_japan_alone_are_marked_as_one_market(build: Build) -> None:
    rows = build.rows("select * from marts.mart_export_cms")
    assert {row["n_importers"] for row in rows} == {1}
    assert {row["reason_code"] for row in rows} == {"single_market"}
    assert max(abs(row["market_structure_usd"]) for row in rows) < 1e-6


def test_import_share_of_japans_medicines(build: Build) -> None:
    rows = build.rows(
        "select * from marts.mart_supply_self_sufficiency "
        "where country_iso3 = 'JPN' and reason_code is null order by year"
    )
    assert [row["year"] for row in rows] == [2011, 2013, 2017, 2019]
    assert [round(row["import_share_of_supply"], 3) for row in rows] == [0.266, 0.309, 0.338, 0.225]
    assert [row["series_break"] for row in rows] == [False, False, False, True]
    assert rows[0]["apparent_consumption_value"] == pytest.approx((6987.4 + 2531.3 - 138.4) * 1e9)
    assert rows[0]["production_usd"] == pytest.approx(6987.4e9 / rows[0]["fx_lcu_per_usd"])


def test_production_without_trade_says_so(build: Build) -> None:
    row = build.row(
        "select * from marts.mart_supply_self_sufficiency "
        "where country_iso3 = 'IRL' and basket_id = 'blood_immunologicals' and year = 2020"
    )
    assert row["reason_code"] == "trade_not_loaded"
    assert row["production_usd"] == pytest.approx(20.0e9 / row["fx_lcu_per_usd"], rel=0.01)
    assert row["import_share_of_supply"] is row["self_sufficiency_ratio"] is row["is_hub"] is None


def test_a_confidential_cell_makes_production_a_lower_bound(build: Build) -> None:
    rows = build.rows("select * from marts.mart_supply_self_sufficiency where is_production_partial")
    assert rows
    for row in rows:
        assert row["coverage_share"] < 1
        assert row["reason_code"] in ("production_cells_missing", "production_unknown")
        assert row["import_share_of_supply"] is None


# Baskets ----------------------------------------------------------------------------------------------------------


def test_baskets_only_name_known_codes() -> None:
    baskets = set(vocabulary.table("commodity_basket")["basket_id"])
    assert set(vocabulary.table("commodity_basket_code")["basket_id"]) <= baskets
    assert set(vocabulary.table("production_basket_code")["basket_id"]) <= baskets


@pytest.mark.parametrize("revision", ["HS2022", "HS2017", "HS2012"])
def test_codes_of_a_basket_are_codes_of_the_revision(build: Build, revision: str) -> None:
    rows = build.rows(
        f"""
        select hs_code from vocabulary.commodity_basket_code where hs_revision = '{revision}'
        and left(hs_code, 4) in ('2937', '3002', '3004', '3822')
        and hs_code not in (
            select from_code from lake.commodity_concordance where from_revision = '{revision}'
            union all select to_code from lake.commodity_concordance where to_revision = '{revision}'
        )
        """
    )
    # No code of 2022 shares goods with 3002.19 in the concordance.
    assert {row["hs_code"] for row in rows} <= ({"300219"} if revision == "HS2017" else set())


def test_where_baskets_change_by_definition(build: Build) -> None:
    broken = {
        (row["basket_id"], row["hs_revision"])
        for row in build.rows("select * from intermediate.int_basket_break where is_break")
    }
    assert ("vaccines_human", "HS2022") not in broken
    assert {(basket, "HS2022") for basket in ("heading_3002", "diagnostic_reagents", "biologics_narrow")} <= broken
    assert {basket for basket, revision in broken if revision == "HS2017"} == set()


def test_conversion_goes_upward_and_never_splits(build: Build) -> None:
    rows = build.rows("select * from intermediate.int_commodity_conversion where from_revision = 'HS2022'")
    found = {(row["from_code"], row["to_revision"]): row["to_code"] for row in rows}
    assert found["300241", "HS2017"] == found["300241", "HS2012"] == "300220"
    assert found["300215", "HS2012"] == "300210"
    assert not any(code.startswith("38221") and code != "382213" for code, _ in found)


# Reference cases --------------------------------------------------------------------------------------------------


def flows(
    rows: pl.DataFrame,
    scheme: str,
    *,
    source: str = "synthetic_source",
    is_mirror: bool = False,
    with_world: Callable[[], pl.Expr] | None = None,
) -> pl.DataFrame:
    """Canonical trade flows of `reporter, partner, code, flow, year, value`.

    World totals are added for all reporters, or for those that `with_world` names.
    """
    world = rows.filter(with_world()) if with_world else rows
    totals = world.group_by("reporter", "code", "flow", "year").agg(pl.col("value").sum(), partner=pl.lit("WLD"))
    frame = pl.concat([rows.select(totals.columns), totals])
    blank = synthetic_rows("trade_flow").drop(
        "reporter_iso3", "partner_iso3", "hs_code", "flow", "period_start", "period_end", "value_usd"
    )
    return (
        frame.select(
            reporter_iso3="reporter",
            partner_iso3="partner",
            hs_code="code",
            flow="flow",
            period_start=pl.date("year", 1, 1),
            period_end=pl.date("year", 12, 31),
            value_usd=pl.col("value").cast(pl.Float64),
        )
        .join(blank, how="cross")
        .with_columns(
            hs_revision=pl.lit(scheme),
            period_basis=pl.lit("calendar_year"),
            status=pl.lit("reported"),
            source_code=pl.lit(source),
            is_mirror=pl.lit(is_mirror),
            valuation=pl.lit("fob"),
            edition_id=pl.lit(EDITION),
            edition_partition=pl.lit("all"),
            note=pl.lit(None, pl.String),
        )
        .select(lake.contract("trade_flow").schema.names())
    )


def focus() -> pl.DataFrame:
    """Vaccines in the years without a monthly table: six whole reports, and everyone's flows with Japan."""
    rows = table(f"{VACCINES}/input_flows_focus.csv").filter(
        pl.col("year").is_in(FOCUS_YEARS) & pl.col("flow").is_in(["M", "X"])
    )
    return rows.select(
        "year",
        reporter=areas(rows["reporter_m49"]),
        partner=areas(rows["partner_m49"]),
        code=pl.lit("300220"),
        flow=pl.col("flow").replace_strict({"M": "import", "X": "export"}),
        value="trade_usd",
    )


def sitc() -> pl.DataFrame:
    """World trade by SITC; each country's imports are the next country's exports, so that there are some."""
    exports = table(f"{SITC}/input_trade_small.csv").with_columns(pl.col("sitc2").cast(pl.String))
    countries = sorted(exports["country_iso3"].unique())
    after = dict(zip(countries, countries[1:] + countries[:1], strict=True))
    base = exports.select(year=2000, reporter="country_iso3", code="sitc2", value="export_usd")
    return pl.concat(
        [
            base.with_columns(partner=pl.lit("XAN"), flow=pl.lit("export")),
            base.with_columns(pl.col("reporter").replace_strict(after), partner=pl.lit("XAN"), flow=pl.lit("import")),
        ]
    )


def cms_markets() -> pl.DataFrame:
    """Imports of two markets with which the printed decomposition comes out: the first-year exports are split so that
    their structure effect is the printed one, the last-year exports in proportion to the markets."""
    printed = table(f"{VACCINES}/expected_cms_2012_2018.csv")
    printed = printed.select("v2012", "v2018", "market_structure", exporter=areas(printed["exporter_m49"]))
    # The table lists exporters of the first year only: what newcomers sold is what all markets' growth leaves over.
    growth = ALL_MARKETS_GROWTH
    newcomers = (1 + growth) * printed["v2012"].sum() - printed["v2018"].sum()
    printed = pl.concat([printed, pl.DataFrame([(0.0, newcomers, 0.0, "XOR")], schema=printed.schema, orient="row")])
    first, last = pl.col("v2012"), pl.col("v2018")
    high = (pl.col("market_structure") - (LOW_GROWTH - growth) * first) / (HIGH_GROWTH - LOW_GROWTH)
    split = printed.with_columns(high=high, low=first - high)
    assert split.select((pl.col("high") >= 0).all() & (pl.col("low") >= 0).all()).item()
    share = (1 + HIGH_GROWTH) * split["high"].sum() / split["v2018"].sum()
    parts = [
        ("FRA", 2012, pl.col("high")),
        ("DEU", 2012, pl.col("low")),
        ("FRA", 2018, last * share),
        ("DEU", 2018, last * (1 - share)),
    ]
    return pl.concat(
        split.select(
            year=pl.lit(year),
            reporter=pl.lit(market),
            partner="exporter",
            code=pl.lit("V"),
            flow=pl.lit("import"),
            value=value,
        )
        for market, year, value in parts
    )


def geodep() -> pl.DataFrame:
    """One importer with one supplier, in a world of 25 exporters of which one sells nearly everything."""
    others = sorted(table(f"{SITC}/expected_small_country.csv")["country_iso3"])
    rows = [
        {"year": year, "reporter": country, "partner": "XAN", "code": "G", "flow": "export", "value": 1.0}
        for year in (2010, 2011, 2013, 2016)
        for country in others
        if country not in ("USA", "JPN")
    ]
    for year in (2010, 2011, 2013, 2016):
        rows.append(
            {"year": year, "reporter": "USA", "partner": "XAN", "code": "G", "flow": "export", "value": 100.0}
        )
        rows.append({"year": year, "reporter": "JPN", "partner": "USA", "code": "G", "flow": "import", "value": 9.0})
        rows.append({"year": year, "reporter": "JPN", "partner": "USA", "code": "G", "flow": "export", "value": 1.0})
    return pl.DataFrame(rows)


def publishers() -> list[pl.DataFrame]:
    """Reports of one year by several publishers, whole and partial, and in two revisions."""

    def rows(*entries: tuple[str, str, str, str, float], year: int = 2021) -> pl.DataFrame:
        names = ["reporter", "partner", "code", "flow", "value"]
        return pl.DataFrame(entries, schema=names, orient="row").with_columns(year=pl.lit(year))

    national = rows(("FRA", "DEU", "P1", "export", 20.0), ("FRA", "DEU", "P2", "export", 30.0))
    partial = rows(("ITA", "JPN", "P1", "export", 7.0))
    reconciled = rows(
        ("FRA", "DEU", "P1", "export", 90.0),
        ("FRA", "DEU", "P2", "export", 20.0),
        ("DEU", "FRA", "P1", "export", 50.0),
        ("ITA", "JPN", "P1", "export", 70.0),
    )
    old = rows(("JPN", "USA", "300220", "export", 5.0), year=2023)
    new = rows(("USA", "JPN", "300241", "export", 6.0), year=2023)
    antisera = {2021: "300211 300212 300213 300214 300215 300219", 2022: "300212 300213 300214 300215"}
    imports = {
        year: rows(*[("JPN", "USA", code, "import", 1.0) for code in codes.split()], year=year)
        for year, codes in antisera.items()
    }
    nobody = {"with_world": lambda: pl.lit(False)}
    return [
        flows(national, "HS2017", source="un_comtrade"),
        flows(partial, "HS2017", source="un_comtrade", **nobody),
        flows(reconciled, "HS2017", source="cepii_baci", is_mirror=True, **nobody),
        flows(pl.concat([old, imports[2021]]), "HS2017", source="un_comtrade"),
        flows(pl.concat([new, imports[2022]]), "HS2022", source="un_comtrade"),
    ]


def efpia() -> pl.DataFrame:
    """Production, exports and imports of medicines, EUR m, as canonical rows."""
    known = dict(vocabulary.table("country").select("name_en", "iso3").iter_rows()) | NAMES
    printed = table(f"{EFPIA}/input_efpia_2023.csv").filter(pl.col("country") != "TOTAL")
    long = (
        printed.with_columns(country_iso3=pl.col("country").replace_strict(known))
        .unpivot(
            on=["production", "exports", "imports"], index="country_iso3", variable_name="measure", value_name="v"
        )
        .drop_nulls("v")
    )
    blank = synthetic_rows("production_observation").drop("country_iso3", "measure", "value")
    return (
        long.select("country_iso3", "measure", value=pl.col("v") * 1e6)
        .join(blank, how="cross")
        .with_columns(
            category_scheme=pl.lit("EFPIA"),
            category_code=pl.lit("SITC54"),
            unit=pl.lit("EUR"),
            period_basis=pl.lit("calendar_year"),
            period_start=date(2023, 1, 1),
            period_end=date(2023, 12, 31),
            status=pl.lit("reported"),
            source_code=pl.lit("synthetic_source"),
            edition_id=pl.lit(EDITION),
            edition_partition=pl.lit("all"),
        )
        .select(lake.contract("production_observation").schema.names())
    )


def put(connection: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    """Add rows to a canonical table of the work file, in an edition of their own."""
    connection.register("added", frame.to_arrow())
    connection.execute(f"create table kept as from lake.{name}")
    connection.execute(f"drop view lake.{name}")
    connection.execute(f"create table lake.{name} as from kept union all by name from added")
    connection.execute("drop table kept")
    for (source,) in frame.select(pl.col("source_code").unique()).iter_rows():
        connection.execute(
            "insert into lake.edition by name select * replace (? as source_code, ? as table_name, ? as edition_id, "
            "'all' as edition_partition, true as is_latest) from lake.edition limit 1",
            [source, name, EDITION],
        )


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """The trade models over the reference cases, with all their tests."""
    shared_file(f"{VACCINES}/input_flows_focus.csv")
    home: Path = tmp_path_factory.mktemp("reference")
    settings = Settings(home=home, memory_limit="2GB")
    for code in ("unsd_hs", "ecb_fx"):
        load_bundled(settings, source_of(code))
    for year in LEGACY_YEARS:
        path = shared_file(f"un_comtrade_legacy/Comtrade_Vacciness_Data_{year}.csv.gz")
        load_files(settings, source_of("un_comtrade"), [path], published_on=date(2021, 8, 15))
    workfile.prepare(settings)
    sitc_rows = sitc()
    six = ["JPN", "USA", "CHE", "KOR", "DEU", "BEL"]
    with workfile.connect(settings.work_file, settings) as connection:
        trade = [
            flows(focus(), "HS", source="un_comtrade", with_world=lambda: pl.col("reporter").is_in(six)),
            flows(sitc_rows, "SITC2"),
            flows(cms_markets(), "CMS"),
            flows(geodep(), "GEO"),
            *publishers(),
        ]
        put(connection, "trade_flow", pl.concat(trade))
        put(connection, "production_observation", efpia())
        for basket, scheme, codes in (
            ("sitc2_section_5", "SITC2", sorted(sitc_rows["code"].unique())),
            ("cms_case", "CMS", ["V"]),
            ("geodep_case", "GEO", ["G"]),
            ("efpia_case", "EFPIA", []),
            ("choice_case", "HS2017", ["P1", "P2"]),
        ):
            connection.execute(
                "insert into vocabulary.commodity_basket values (?, 'Case', 'Case.', 'Tests', null)", [basket]
            )
            for code in codes:
                connection.execute(
                    "insert into vocabulary.commodity_basket_code values (?, ?, ?)", [basket, scheme, code]
                )
        connection.execute(
            "insert into vocabulary.production_basket_code values ('efpia_case', 'EFPIA', 'SITC54', null, null)"
        )
        connection.execute(
            "insert into vocabulary.series_caveat values "
            "('synthetic_source', 'CHE', 'SITC54', 2023, null, 'back_solved', 'identity', 'Estimate.', null)"
        )
    arguments = ["build", "--select", *MODELS, "--indirect-selection", "cautious"]
    run = run_dbt(arguments, project=DBT_PROJECT, work_file=settings.work_file, target=home / "target")
    yield Build(run, settings.work_file)


def test_every_model_and_test_holds_on_the_reference_cases(reference: Build) -> None:
    bad = {name: status for name, status in reference.run.status.items() if status not in ("success", "pass")}
    assert reference.run.exception is None
    assert not bad
    assert any(name.startswith("zero_sums") for name in reference.run.status)


def test_vaccine_indicators_of_19_countries(reference: Build) -> None:
    expected = table(f"{VACCINES}/expected_indicators_focus.csv")
    expected = expected.with_columns(iso3=areas(expected["reporter_m49"]), top1_iso3=areas(expected["top1_partner"]))
    balance = {
        (row["year"], row["country_iso3"]): row
        for row in reference.rows("select * from marts.mart_trade_balance where basket_id = 'vaccines_human'")
    }
    dependency = {
        (row["year"], row["country_iso3"]): row
        for row in reference.rows("select * from marts.mart_import_dependency where basket_id = 'vaccines_human'")
    }
    compared = 0
    for row in expected.iter_rows(named=True):
        key = (row["year"], row["iso3"])
        if row["year"] in FOCUS_YEARS and key not in balance:
            continue
        trade, supply = balance[key], dependency[key]
        close: dict[str, Any] = {
            "imports": trade["import_usd"],
            "exports": trade["export_usd"],
            "balance": trade["balance_usd"],
            "ntb": trade["normalised_balance"],
            "grubel_lloyd": trade["grubel_lloyd"],
            "hhi": supply["hhi"],
            "hhi_norm": supply["hhi_normalised"],
            "effective_suppliers": supply["n_effective"],
            "effective_suppliers_shannon": supply["n_effective_entropy"],
            "top1": supply["top1_share"],
            "cr3": supply["top3_share"],
            "m_over_x": supply["import_export_ratio"],
        }
        for name, value in close.items():
            assert value == pytest.approx(row[name], rel=1e-9, abs=1e-9), (key, name)
        assert supply["n_suppliers"] == row["n_sup"], key
        assert supply["top1_supplier_iso3"] == row["top1_iso3"], key
        assert supply["is_import_concentrated"] == row["geodep_c1"], key
        assert supply["is_not_substitutable"] == row["geodep_c3"], key
        compared += 1
    assert compared > 150


def test_japans_suppliers_in_2018(reference: Build) -> None:
    row = reference.row(
        "select * from marts.mart_import_dependency "
        "where basket_id = 'vaccines_human' and country_iso3 = 'JPN' and year = 2018"
    )
    assert round(row["hhi"], 2) == 0.29
    assert round(row["n_effective"], 1) == 3.5


def test_world_export_concentration(reference: Build) -> None:
    expected = table(f"{VACCINES}/expected_world_export_hhi.csv").filter(pl.col("year").is_in(LEGACY_YEARS))
    found = {
        row["year"]: row
        for row in reference.rows("select * from intermediate.int_trade_world where basket_id = 'vaccines_human'")
    }
    for row in expected.iter_rows(named=True):
        assert found[row["year"]]["n_reporters"] == row["n_reporters"]
        assert found[row["year"]]["hhi_world_export"] == pytest.approx(row["hhi_world_exports"], abs=1e-9)
        assert found[row["year"]]["top1_exporter_share"] == pytest.approx(row["top_share"], abs=1e-9)
        assert found[row["year"]]["top1_exporter"] == areas(pl.Series([row["top_exporter"]]))[0]
    # The jump of 2019 is partly one of coverage: smaller among those who always report.
    jump = {name: found[2019][name] / found[2017][name] for name in ("hhi_world_export", "hhi_world_export_constant")}
    assert jump["hhi_world_export"] > 1.55
    assert len({row["n_reporters_constant"] for row in found.values() if row["year"] in LEGACY_YEARS}) == 1
    assert found[2018]["hhi_world_export"] is None


def test_the_rule_of_three_criteria_never_fires_for_vaccines(reference: Build) -> None:
    rows = reference.rows("select * from marts.mart_import_dependency where basket_id = 'vaccines_human'")
    assert len(rows) > 500
    assert not any(row["is_dependent"] for row in rows)
    assert not any(row["is_world_export_concentrated"] for row in rows)


def test_persistence_goes_by_the_calendar(reference: Build) -> None:
    rows = reference.rows(
        "select * from marts.mart_import_dependency "
        "where basket_id = 'geodep_case' and country_iso3 = 'JPN' order by year"
    )
    assert [row["year"] for row in rows] == [2010, 2011, 2013, 2016]
    assert [row["is_persistent"] for row in rows] == [None, True, True, None]
    assert [row["is_dependent"] for row in rows] == [None, True, True, None]
    assert [row["n_years_known"] for row in rows] == [1, 2, 2, 1]


def test_one_publisher_per_reporter(reference: Build) -> None:
    rows = reference.rows("select * from marts.mart_trade_balance where basket_id = 'choice_case'")
    found = {row["country_iso3"]: row for row in rows}
    assert found.keys() == {"FRA", "DEU", "ITA", "JPN"}
    france, germany, italy, japan = (found[code] for code in ("FRA", "DEU", "ITA", "JPN"))
    # A whole national report stands before the reconciled one, which fills in what nobody reports.
    assert (france["publisher_export"], france["export_usd"]) == ("un_comtrade_annual", 50.0)
    assert (france["publisher_import"], france["import_usd"]) == ("cepii_baci", 50.0)
    assert (germany["publisher_export"], germany["export_usd"]) == ("cepii_baci", 50.0)
    assert (germany["publisher_import"], germany["import_usd"]) == ("cepii_baci", 110.0)
    # A report of single partners gives way to one of all.
    assert (italy["publisher_export"], italy["export_usd"]) == ("cepii_baci", 70.0)
    assert (japan["publisher_import"], japan["import_usd"]) == ("cepii_baci", 70.0)
    # By commodity: P1 exports 20 and imports 50, P2 exports 30 only; the sums alone are in balance.
    assert france["grubel_lloyd"] == pytest.approx(1 - (30 + 30) / 100)
    assert france["normalised_balance"] == 0
    assert reference.rows("select * from marts.mart_mirror_gap where basket_id = 'choice_case'") == []


def test_newer_codes_are_added_up_under_the_older(reference: Build) -> None:
    rows = reference.rows(
        "select country_iso3, commodity_revision, commodity_code, is_convertible "
        "from intermediate.int_trade_commodity where basket_id = 'vaccines_human' and year = 2023 "
        "order by country_iso3"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("JPN", "HS2017", "300220", True),
        ("USA", "HS2017", "300220", True),
    ]


def test_the_revision_of_2022_is_a_break_for_antisera(reference: Build) -> None:
    rows = reference.rows(
        "select year, hs_revision, is_definition_break, import_usd from marts.mart_trade_balance "
        "where basket_id = 'blood_immunologicals' and year in (2021, 2022) and country_iso3 = 'JPN' order by year"
    )
    assert [tuple(row.values()) for row in rows] == [(2021, "HS2017", False, 6.0), (2022, "HS2022", True, 4.0)]


def test_mirror_reports_of_japans_imports(reference: Build) -> None:
    expected = table(f"{VACCINES}/expected_mirror_japan_imports.csv")
    expected = expected.with_columns(iso3=areas(expected["exporter"]))
    found = {
        (row["year"], row["exporter_iso3"]): row
        for row in reference.rows("select * from marts.mart_mirror_gap where importer_iso3 = 'JPN'")
    }
    for row in expected.iter_rows(named=True):
        pair = found[row["year"], row["iso3"]]
        assert pair["importer_report_usd"] == pytest.approx(row["m_cif"], rel=1e-9)
        assert pair["exporter_report_usd"] == pytest.approx(row["x_fob"], rel=1e-9)
        assert pair["import_export_ratio"] == pytest.approx(row["cif_fob"], abs=5.1e-5)
        assert pair["symmetric_gap"] == pytest.approx(row["sym_gap"], abs=5.1e-5)


def test_one_mirror_pair_in_five_agrees(reference: Build) -> None:
    years = ",".join(map(str, LEGACY_YEARS))
    row = reference.row(
        "select count(*) as n, avg(agrees_within_10_percent::int) as agreeing, "
        "quantile_cont(import_export_ratio, 0.25) as low, quantile_cont(import_export_ratio, 0.75) as high "
        f"from marts.mart_mirror_gap where basket_id = 'vaccines_human' and year in ({years})"
    )
    # Nine of the eleven years of the published 8,400 pairs, 20.6 %, 0.50 to 1.62.
    assert row["n"] == pytest.approx(6750, abs=100)
    assert row["agreeing"] == pytest.approx(0.206, abs=0.005)
    assert row["low"] == pytest.approx(0.50, abs=0.02)
    assert row["high"] == pytest.approx(1.62, abs=0.03)


def test_change_of_vaccine_exports_2012_to_2018(reference: Build) -> None:
    expected = table(f"{VACCINES}/expected_cms_2012_2018.csv")
    expected = expected.with_columns(iso3=areas(expected["exporter_m49"]))
    found = {
        row["exporter_iso3"]: row
        for row in reference.rows(
            "select * from marts.mart_export_cms where basket_id = 'cms_case' and window_id = '2012-2018'"
        )
    }
    assert found.keys() - set(expected["iso3"]) == {"XOR"}
    for row in expected.iter_rows(named=True):
        terms = found[row["iso3"]]
        for name, column in (
            ("v2012", "export_first_usd"),
            ("v2018", "export_last_usd"),
            ("delta", "export_change_usd"),
            ("world_growth", "market_growth_usd"),
            ("market_structure", "market_structure_usd"),
            ("competitiveness_residual", "market_share_effect_usd"),
        ):
            size = row["v2012"] + row["v2018"]
            assert terms[column] == pytest.approx(row[name], rel=1e-9, abs=1e-9 * size + 1e-4), (row["iso3"], name)
    ireland, america = found["IRL"], found["USA"]
    assert (round(ireland["export_change_usd"] / 1e9, 1), round(ireland["market_share_effect_usd"] / 1e9, 1)) == (
        5.2,
        4.9,
    )
    assert (round(america["export_change_usd"] / 1e9, 1), round(america["market_share_effect_usd"] / 1e9, 1)) == (
        -0.9,
        -1.4,
    )
    assert ireland["all_markets_growth_share"] == pytest.approx(0.366, abs=5e-4)
    assert ireland["reason_code"] == "few_markets"


def test_decomposition_over_real_markets_equals_one_by_hand(reference: Build) -> None:
    frame = pl.DataFrame(
        reference.rows(
            "select year, reporter_iso3, partner_iso3, value_usd from intermediate.int_trade_flow "
            "where basket_id = 'vaccines_human' and flow = 'import' and is_usable and year in (2013, 2019)"
        )
    )
    wide = frame.pivot(on="year", index=["reporter_iso3", "partner_iso3"], values="value_usd").fill_null(0)
    market = (
        wide.group_by("reporter_iso3")
        .agg(m0=pl.col("2013").sum(), m1=pl.col("2019").sum())
        .filter(pl.col("m0") * pl.col("m1") > 0)
    )
    growth = market["m1"].sum() / market["m0"].sum() - 1
    terms = (
        wide.join(market, on="reporter_iso3")
        .with_columns(g=pl.col("m1") / pl.col("m0") - 1)
        .group_by("partner_iso3")
        .agg(
            structure=((pl.col("g") - growth) * pl.col("2013")).sum(),
            rest=(pl.col("2019") - pl.col("2013") * (1 + pl.col("g"))).sum(),
            size=(pl.col("2019") + pl.col("2013")).sum(),
        )
        .filter(pl.col("size") > 0)
    )
    found = {
        row["exporter_iso3"]: row
        for row in reference.rows(
            "select * from marts.mart_export_cms where basket_id = 'vaccines_human' and window_id = '2013-2019'"
        )
    }
    assert found.keys() == set(terms["partner_iso3"])
    for row in terms.iter_rows(named=True):
        pair = found[row["partner_iso3"]]
        assert pair["market_structure_usd"] == pytest.approx(
            row["structure"], rel=1e-9, abs=1e-6 + 1e-9 * row["size"]
        )
        assert pair["market_share_effect_usd"] == pytest.approx(row["rest"], rel=1e-9, abs=1e-6 + 1e-9 * row["size"])
        assert pair["reason_code"] is None


def test_advantage_within_a_section_of_sitc(reference: Build) -> None:
    expected = table(f"{SITC}/expected_small_cp.csv").with_columns(pl.col("sitc2").cast(pl.String))
    found = pl.DataFrame(
        reference.rows("select * from intermediate.int_trade_rca where basket_id = 'sitc2_section_5'"),
        infer_schema_length=None,
    )
    both = expected.join(
        found, left_on=["country_iso3", "sitc2"], right_on=["country_iso3", "commodity_code"], suffix="_found"
    )
    assert both.height == expected.height == found.height == 2350
    assert both.select((pl.col("rca") - pl.col("rca_found")).abs().max()).item() < 1e-9
    assert both.select((pl.col("rsca") - pl.col("rsca_found")).abs().max()).item() < 1e-9
    assert both.select(((pl.col("rca_found") >= 1) == (pl.col("mcp") == 1)).all()).item()
    # The other two forms, from their definitions.
    x, country, product = (
        pl.col("export_usd"),
        pl.col("export_usd").sum().over("country_iso3"),
        pl.col("export_usd").sum().over("sitc2"),
    )
    world = pl.col("export_usd").sum()
    worst = both.select(
        arca=(pl.col("arca") - (x / country - product / world)).abs().max(),
        nrca=(pl.col("nrca") - (x / world - country * product / world**2)).abs().max(),
        share=(pl.col("world_share") - x / product).abs().max(),
    )
    assert max(worst.row(0)) < 1e-12


def test_lafay_index_from_its_definition(reference: Build) -> None:
    rows = pl.DataFrame(
        reference.rows(
            "select country_iso3, commodity_code, export_usd as x, import_usd as m, lafay "
            "from marts.mart_trade_specialisation where basket_id = 'sitc2_section_5'"
        ),
        infer_schema_length=None,
    )
    x, m = pl.col("x"), pl.col("m")
    gap, trade = (x - m).sum().over("country_iso3"), (x + m).sum().over("country_iso3")
    by_hand = rows.filter(x + m > 0).with_columns(hand=100 * ((x - m) / (x + m) - gap / trade) * (x + m) / trade)
    assert by_hand.height > 2000
    assert by_hand.select((pl.col("lafay") - pl.col("hand")).abs().max()).item() < 1e-9
    assert (
        by_hand.group_by("country_iso3").agg(pl.col("lafay").sum()).select(pl.col("lafay").abs().max()).item() < 1e-9
    )
    assert by_hand["lafay"].abs().max() > 1


def test_supply_of_medicines_in_europe(reference: Build) -> None:
    known = dict(vocabulary.table("country").select("name_en", "iso3").iter_rows()) | NAMES
    expected = table(f"{EFPIA}/expected_efpia_2023_balance.csv")
    found = {
        row["country_iso3"]: row
        for row in reference.rows("select * from marts.mart_supply_self_sufficiency where basket_id = 'efpia_case'")
    }
    negative = []
    for row in expected.iter_rows(named=True):
        supply = found[known[row["country"]]]
        if row["apparent_consumption"] is None:
            assert supply["apparent_consumption_value"] is None
            assert supply["reason_code"] in ("production_unknown", "imports_unknown")
            continue
        assert supply["apparent_consumption_value"] == pytest.approx(row["apparent_consumption"] * 1e6)
        assert supply["import_share_of_supply"] == pytest.approx(
            row["import_share_of_supply_m_over_p_plus_m"], abs=1e-6
        )
        assert supply["export_production_ratio"] == pytest.approx(row["export_to_production"], abs=1e-6)
        assert supply["is_hub"] == row["hub_flag"]
        if supply["reason_code"] is None:
            assert supply["import_penetration_share"] == pytest.approx(row["import_penetration_m_over_ac"], abs=1e-6)
            assert supply["self_sufficiency_ratio"] == pytest.approx(row["self_sufficiency_p_over_ac"], abs=1e-6)
        else:
            assert supply["self_sufficiency_ratio"] is supply["import_penetration_share"] is None
        if supply["reason_code"] == "ac_nonpositive":
            negative.append(supply["country_iso3"])
    assert sorted(negative) == ["DEU", "NLD"]
    assert found["CHE"]["is_back_solved"]
    assert found["CHE"]["reason_code"] == "production_back_solved"
