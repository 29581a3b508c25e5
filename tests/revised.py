"""What a publisher might send next, for tests and benchmarks of a run after one source has changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl

from ingest import lake
from ingest.lake import Edition, Lake
from ingest.settings import Settings


def revise(settings: Settings, code: str) -> Edition:
    """Commit what a publisher might send next: the last edition of a source, its numbers a millionth higher."""
    store = Lake(settings.lake)
    last = max((e for e in store.editions() if e.source_code == code), key=lambda e: (e.published_on, e.edition_id))
    published = date.fromisoformat(last.published_on) + timedelta(days=1)
    edition_id = f"{published}.00000000"
    tables = {}
    for load in last.tables:
        rows = pl.read_parquet(settings.lake / load.file)
        raised = [name for name in ("value", "quantity", "value_usd", "rate") if name in rows.columns]
        tables[load.table_name] = rows.with_columns(
            pl.lit(edition_id).alias("edition_id"),
            pl.lit(published).alias("published_on"),
            *(pl.col(name) * 1.000001 for name in raised),
        )
    revised = replace(last, edition_id=edition_id, published_on=published.isoformat(), tables=())
    return store.commit(revised, tables, pl.DataFrame(schema=lake.REJECTED_SCHEMA))
