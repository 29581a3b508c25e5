"""Metadata that assets carry, made from plain summaries."""

from __future__ import annotations

from typing import Any

import dagster as dg

from ingest.lake import Column, Contract
from ingest.source import Source, SourceSpec
from ingest.vocabulary import VocabularyTable
from orchestration.defs import keys
from orchestration.preview import Summary


def tags_of(source: Source) -> dict[str, str]:
    """Tags by which sources are found in the catalogue."""
    spec = source.spec
    return {
        "licence": keys.tag_value(spec.licence.name),
        "redistribution": spec.licence.redistribution,
        "domain": spec.domain,
    }


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


def of_summary(summary: Summary, *, with_schema: bool = True) -> dict[str, Any]:
    """Row count, last data year, licences, columns and a preview of what has just been made."""
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
            columns=[dg.TableColumn(c.name, type=c.type, description=c.description) for c in summary.columns]
        )
    return found


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
