"""Metadata that assets carry, made from plain summaries."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from ingest.lake import Column, Contract
from ingest.settings import PROJECT_ROOT
from ingest.source import Source, SourceSpec
from ingest.vocabulary import VocabularyTable
from orchestration.defs import keys
from orchestration.preview import Summary

# A column: schema, relation and name.
Origin = tuple[str, str, str]
_MOST_ORIGINS = 6


def tags_of(source: Source) -> dict[str, str]:
    """Tags by which sources are found in the catalogue."""
    spec = source.spec
    return {
        "licence": keys.tag_value(spec.licence.name)[:32].strip("_"),
        "redistribution": spec.licence.redistribution,
        "domain": spec.domain,
    }


def glance(spec: SourceSpec) -> str:
    """What stands at the top of a source's page: what it is, from whom, under which licence, how often."""
    licence = f"[{spec.licence.name}]({spec.licence.url})" if spec.licence.url else spec.licence.name
    return (
        f"**{spec.title}.** {spec.description.strip()}\n\n"
        f"Publisher: [{spec.publisher}]({spec.landing_page}). Licence: {licence} (redistribution: "
        f"{spec.licence.redistribution}). Published {spec.cadence}; stale after {spec.freshness_days} days."
    )


def of_code(*paths: Path) -> dict[str, Any]:
    """Where an asset is made: files of the project, or their addresses below BIOPHARMA_CODE_URL where that is set."""
    base = os.environ.get("BIOPHARMA_CODE_URL")
    names = [path.relative_to(PROJECT_ROOT).as_posix() for path in paths]
    references: list[Any] = [
        dg.UrlCodeReference(url=f"{base.rstrip('/')}/{name}", label=name.rpartition("/")[2])
        if base
        else dg.LocalFileCodeReference(file_path=str(PROJECT_ROOT / name), label=name.rpartition("/")[2])
        for name in names
    ]
    return {
        "code": ", ".join(names),
        "dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references),
    }


def rows_before(instance: dg.DagsterInstance, asset_keys: Iterable[dg.AssetKey]) -> dict[dg.AssetKey, int]:
    """Rows of the last time that each asset was made, where that is known; one look into the history for all."""
    found = {}
    for record in instance.get_asset_records(list(asset_keys)):
        entry = record.asset_entry.last_materialization
        made = entry.asset_materialization if entry else None
        count = made.metadata.get("dagster/row_count") if made else None
        if count is not None:
            found[record.asset_entry.asset_key] = int(str(count.value))
    return found


def of_change(before: int | None, now: int) -> dict[str, Any]:
    """How many rows there were the last time, and how many more or fewer there are now."""
    if before is None:
        return {}
    share = f" ({now / before - 1:+.1%})" if before and now != before else ""
    return {"rows_last_time": before, "rows_change": f"{now - before:+,}{share}" if now != before else "none"}


def of_lineage(columns: Mapping[str, Iterable[Origin]]) -> dict[str, Any]:
    """Which columns (schema, table, name) each column is made from, for Dagster's interfaces that follow columns."""
    deps = {
        column: [dg.TableColumnDep(keys.relation(schema, table), name) for schema, table, name in sorted(origins)]
        for column, origins in columns.items()
    }
    made = {column: found for column, found in deps.items() if found}
    return {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=made)} if made else {}


def of_source(spec: SourceSpec) -> dict[str, Any]:
    """What a source's description says of it."""
    return {
        "publisher": spec.publisher,
        "landing_page": dg.MetadataValue.url(spec.landing_page),
        "licence": spec.licence.name,
        **({"licence_text": dg.MetadataValue.url(spec.licence.url)} if spec.licence.url else {}),
        "redistribution": spec.licence.redistribution,
        "citation": spec.citation,
        "cadence": spec.cadence,
        "freshness_days": spec.freshness_days,
        **({"caveats": dg.MetadataValue.md("\n".join(f"- {text}" for text in spec.caveats))} if spec.caveats else {}),
    }


def of_summary(
    summary: Summary, *, with_schema: bool = True, origins: Mapping[str, Iterable[Origin]] | None = None
) -> dict[str, Any]:
    """Row count, last data year, licences, columns and a preview of what has just been made.

    `origins` are the columns that each column is made from. They stand in its description as well: the open interface
    of Dagster keeps the lineage of columns, and does not show it.
    """
    made_from = origins or {}
    found: dict[str, Any] = {
        "dagster/row_count": summary.row_count,
        "preview": dg.MetadataValue.md(summary.preview),
    }
    if summary.last_data_year is not None:
        found["last_data_year"] = summary.last_data_year
    if summary.licences:
        found["licences"] = ", ".join(summary.licences)
    if with_schema:
        found["dagster/column_schema"] = dg.TableSchema(
            columns=[
                dg.TableColumn(c.name, type=c.type, description=_described(c.description, made_from.get(c.name, ())))
                for c in summary.columns
            ]
        )
    return found


def of_explanation(text: str | None) -> dict[str, Any]:
    """How to walk back from a figure of a mart, and the formulas of its columns; nothing for other models."""
    return {"explain": dg.MetadataValue.md(text)} if text else {}


def _described(description: str | None, origins: Iterable[Origin]) -> str | None:
    """A column's description, and what it is made from one step up."""
    names = [".".join(origin) for origin in sorted(origins)]
    if not names:
        return description
    more = f" and {len(names) - _MOST_ORIGINS} more" if len(names) > _MOST_ORIGINS else ""
    return f"{description or ''} Made from {', '.join(names[:_MOST_ORIGINS])}{more}.".strip()


def of_contract(rules: Contract) -> dict[str, Any]:
    """Columns and key of a canonical table."""

    def describe(column: Column) -> str:
        return column.description + (f" Unit: {column.unit}." if column.unit else "")

    columns = [
        dg.TableColumn(
            column.name,
            type=column.sql_type,
            description=describe(column),
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in rules.columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns), "key": ", ".join(rules.key)}


def of_vocabulary(table: VocabularyTable) -> dict[str, Any]:
    """Columns and key of a reviewed table."""
    columns = [
        dg.TableColumn(name, type=str(entry.get("type", "string")), description=entry.get("description"))
        for name, entry in table.columns.items()
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns), "key": ", ".join(table.key)}
