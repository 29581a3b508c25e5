"""A small lake in which every expectation holds, written through the lake's own commit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import polars as pl

from ingest import lake, workfile
from ingest.lake import Edition, Lake
from ingest.settings import Settings
from ingest.source import discover

ROWS = 80
PUBLISHED = date.today() - timedelta(days=3)
OBTAINED = datetime.combine(PUBLISHED + timedelta(days=1), datetime.min.time(), tzinfo=UTC)

# Sources that exist only here. `example_a` has several partitions, so that several editions can be broken at once.
EXAMPLES = {"example_a": 8, "example_b": 1, "example_c": 1}
FRESHNESS_DAYS = 400

_BY_TYPE: dict[str, Any] = {
    "string": "text",
    "int64": 1,
    "float64": 1.0,
    "boolean": False,
    "date": date(2019, 1, 1),
    "timestamp": OBTAINED,
}

# One good row per table, as far as it differs from the first allowed value or a plain value of the type.
# A lambda gives the column that tells the rows apart.
_ROWS: dict[str, dict[str, Any]] = {
    "sales_observation": {
        "row_kind": "product",
        "product_code": lambda i: f"P{i:03}",
        "class_code": lambda i: f"C{i:03}",
        "market_iso3": "JPN",
        "period_start": date(2019, 4, 1),
        "period_end": date(2020, 3, 31),
        "period_basis": "fiscal_year",
        "price_basis": "national_reimbursement_price",
        "quantity": 3.0,
        "unit_price": 7.5,
        "value": 22.5,
        "currency": "JPY",
    },
    "product_identity": {
        "licence_number": lambda i: f"L{i:03}",
        "market_iso3": "JPN",
        "ingredient_name": "トラスツズマブ(遺伝子組換え)",
        "modality_evidence": "遺伝子組換え",
        "is_recombinant_marked": True,
        "approved_on": date(2015, 1, 1),
        "listed_price": 12.0,
        "listed_price_currency": "JPY",
    },
    "rnd_observation": {
        "entity_code": "JPN",
        "activity_code": lambda i: f"A{i:03}",
        "measure": "berd",
        "unit": "usd_ppp",
        "currency": None,
        "period_end": date(2019, 12, 31),
        "value": 13_486e6,
    },
    "production_observation": {
        "country_iso3": "JPN",
        "category_code": lambda i: f"K{i:03}",
        "period_end": date(2019, 12, 31),
    },
    "trade_flow": {
        "reporter_iso3": "JPN",
        "partner_iso3": "IRL",
        "hs_revision": "HS2017",
        "hs_code": lambda i: f"3002{i:02}",
        "period_end": date(2019, 12, 31),
        "value_usd": 5e6,
        "currency": "JPY",
    },
    "commodity_concordance": {
        "from_revision": "HS2022",
        "from_code": lambda i: f"3002{i:02}",
        "to_revision": "HS2017",
        "to_code": lambda i: f"3002{i:02}",
        "is_conversion": True,
    },
    "site_role": {
        "market_iso3": "EUU",
        "product_code": lambda i: f"S{i:03}",
        "site_id": lambda i: f"{i:09}",
        "country_iso3": "IRL",
    },
    "company_fact": {
        "site_name": lambda i: f"site {i}",
        "hq_iso3": "CHE",
        "site_country_iso3": "CHE",
        "period_end": date(2019, 12, 31),
        "currency": "CHF",
    },
    "deal": {
        "acquirer_name": lambda i: f"buyer {i}",
        "asset_iso3": "USA, CHE",
        "deal_stage": "closed",
        "currency": "USD",
    },
    "reference_rate": {
        "series_code": "fx",
        "area_code": lambda i: f"A{chr(65 + i // 26)}{chr(65 + i % 26)}",
        "area_kind": "currency",
        "counter_code": "USD",
        "rate_basis": "period_average",
        "period_end": date(2019, 12, 31),
        "value": 108.98,
        "observation_count": 255,
    },
    "trial": {
        "nct_id": lambda i: f"NCT{i:08}",
        "completion_on": date(2021, 1, 1),
    },
    "trial_site": {
        "nct_id": lambda i: f"NCT{i:08}",
    },
    "patent_count": {
        "entity_code": lambda i: f"A{chr(65 + i // 26)}{chr(65 + i % 26)}",
        "field_code": "15",
        "period_end": date(2019, 12, 31),
        "value": 100.0,
    },
    "company_identity": {
        "identifier": lambda i: f"{i:018}00",
        "parent_identifier": None,
        "company_id": None,
    },
    "area_code": {
        "code": lambda i: f"{i:03}",
        "kind": "world",
        "iso2": None,
        "iso3": None,
        "parent_code": None,
    },
    "policy_event": {
        "event_id": lambda i: f"event_{i}",
        "fiscal_year": 2018,
        "currency": "JPY",
    },
    "claim": {
        "claim_id": lambda i: f"claim_{i}",
        "unit": "share",
        "value_low": 0.85,
        "value_high": 0.95,
        "value_stated": 0.9,
        "currency": None,
        "is_seed_claim": True,
    },
}

_LINEAGE: dict[str, Any] = {
    "file_sha256": "ab" * 32,
    "published_on": PUBLISHED,
    "ingested_at": OBTAINED,
    "status": "reported",
    "value_origin": "publisher_bytes",
    "series_break": False,
    "publisher_flags": None,
    "note": None,
}


def own_values(table: str) -> dict[str, Any]:
    """Values of the good rows of a table; where none are given above, the first free text of its key varies."""
    if table in _ROWS:
        return _ROWS[table]
    rules = lake.contract(table)
    free = (name for name in rules.key if rules.column(name).type == "string" and not rules.column(name).allowed)
    name = next(name for name in free if not rules.column(name).domain)
    return {name: lambda i: f"{name} {i}"}


def good_rows(table: str, count: int = ROWS) -> pl.DataFrame:
    """Rows that keep the contract of a table and every expectation; row i has the locator `row i`."""
    columns = []
    for column in lake.contract(table).columns:
        default = column.allowed[0] if column.allowed else _BY_TYPE[column.type]
        if column.domain == "country":
            default = "JPN"
        elif column.name == "locator":
            default = lambda i: f"row {i}"  # noqa: E731
        value = {**_LINEAGE, **own_values(table)}.get(column.name, default)
        if callable(value):
            columns.append(pl.Series(column.name, [value(i) for i in range(count)]))
        else:
            columns.append(pl.Series(column.name, [value] * count))
    return pl.DataFrame(columns).cast(lake.contract(table).schema)


def distinguishing_columns(table: str) -> list[str]:
    """Columns in which the good rows of a table differ from one another."""
    return [name for name, value in own_values(table).items() if callable(value)]


def write_good_lake(settings: Settings) -> None:
    """Commit good rows of every table for the project's sources and for the examples, and make the work file.

    The views over the lake are turned into tables, so that a test can break single rows.
    """
    store = Lake(settings.lake)
    editions: dict[tuple[str, str], dict[str, pl.DataFrame]] = {}
    for table in lake.contracts():
        sources = [(code, "all") for code, source in discover().items() if table in source.spec.tables]
        examples = [(code, f"p{part}") for code, parts in EXAMPLES.items() for part in range(parts)]
        owners = sources + examples
        # One row for each of the project's sources, however many there are; the rest is there to be broken.
        rows = good_rows(table, len(sources) + ROWS)
        number_of_row = pl.int_range(pl.len())
        owner = (
            pl.when(number_of_row < len(sources))
            .then(number_of_row)
            .otherwise(len(sources) + (number_of_row - len(sources)) % len(examples))
        )
        for number, key in enumerate(owners):
            editions.setdefault(key, {})[table] = rows.filter(owner == number).with_columns(
                source_code=pl.lit(key[0]),
                edition_id=pl.lit(edition_id(*key)),
                edition_partition=pl.lit(key[1]),
            )
    for (code, partition), tables in editions.items():
        conformed = {name: lake.conform(name, frame) for name, frame in tables.items()}
        assert all(result.rejected.is_empty() and not result.dropped for result in conformed.values())
        store.commit(
            Edition(
                source_code=code,
                edition_id=edition_id(code, partition),
                partition=partition,
                published_on=PUBLISHED.isoformat(),
                ingested_at=OBTAINED.isoformat(),
                is_bundled=False,
                fingerprint="f" * 64,
                files=(),
                tables=(),
                rows_read=10_000,
                rows_quarantined=0,
                accounts=tuple(
                    lake.FileAccount(name, sha256, rows)
                    for name, frame in tables.items()
                    for sha256, rows in lake.by_file(frame).items()
                ),
            ),
            {name: result.rows for name, result in conformed.items()},
            pl.DataFrame(schema=lake.REJECTED_SCHEMA),
        )
    workfile.prepare(settings)
    with duckdb.connect(str(settings.work_file)) as connection:
        for table in lake.contracts():
            connection.execute(f"create table lake.copied as from lake.{table}")
            connection.execute(f"drop view lake.{table}")
            connection.execute(f"alter table lake.copied rename to {table}")
        for code in EXAMPLES:
            connection.execute(
                "insert into lake.source by name select ? as source_code, ? as freshness_days", [code, FRESHNESS_DAYS]
            )


def edition_id(source_code: str, partition: str) -> str:
    """Id of a good edition: publication date and eight hexadecimal digits that differ by source and partition."""
    digest = f"{source_code}/{partition}".encode().hex()
    return f"{PUBLISHED}.{hash_digits(digest)}"


def hash_digits(text: str) -> str:
    """Eight hexadecimal digits, the same in every process."""
    value = 0
    for character in text:
        value = (value * 31 + ord(character)) % 16**8
    return f"{value:08x}"
