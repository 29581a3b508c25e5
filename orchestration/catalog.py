"""What the pipeline itself publishes beside marts and facts: the tables of schemas `quality` and `catalog`.

Their descriptions stand here; those of marts and of the models in schema `quality` stand in the dbt project, those of
facts in the contracts, and those of reviewed tables in the vocabulary. A release with an undescribed table or column
is refused.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Described:
    """A table's description and those of its columns."""

    text: str
    columns: dict[str, str]


SCHEMAS = {
    "marts": "Answers: wide, tested tables for analysts, every figure with its definition, status and sources.",
    "facts": "Canonical rows behind the marts: the latest edition of each source, every row with its lineage.",
    "vocabulary": "Reviewed maps and definitions that the marts rest on.",
    "quality": "What was checked, what was loaded, what could not be read, and what is not mapped.",
    "catalog": "What this release holds: its tables, columns and sources, and how it was made.",
}

# Every table that a database publishes; facts of a large table are a view (release.LARGE_ROWS).
RELATIONS = """(
    select database_name, schema_name, table_name, comment, true as is_table from duckdb_tables() where not internal
    union all
    select database_name, schema_name, view_name, comment, false from duckdb_views() where not internal
)"""

_SOURCE_CODE = "Short code of the source."
_EDITION_ID = "Edition of the publication: publication date, digest of its files, +bundled for the shipped extract."

OWN_TABLES: dict[tuple[str, str], Described] = {
    ("quality", "expectation_result"): Described(
        "One row per expectation: what was expected of which table, and whether it held in this release.",
        {
            "check_id": "Id of the check.",
            "stage": "lake: checked before the models were built; marts: checked after.",
            "suite": "Suite that holds the check.",
            "table_schema": "Schema of the checked table in the work file.",
            "table_name": "Checked table.",
            "column_name": "Checked column; null where the check is about the table.",
            "expectation_type": "Great Expectations' name of the expectation.",
            "kwargs": "Parameters of the expectation, as JSON.",
            "severity": "fail: blocks publication where it does not hold; warn: is shown.",
            "description": "What is expected, in words.",
            "requires": "Sources without which the check has nothing to look at, separated by commas.",
            "success": "Whether it held.",
            "observed_value": "What was seen; `no rows` where it held because there was nothing to look at.",
            "element_count": "Rows looked at.",
            "unexpected_count": "Rows that broke the expectation.",
            "examples": "A few values or rows that broke it, as JSON.",
            "exception": "Error, where the check could not be run; such a check did not hold.",
        },
    ),
    ("quality", "model_test"): Described(
        "One row per dbt test of the models behind this release.",
        {
            "unique_id": "dbt's id of the test.",
            "kind": "Always test.",
            "name": "Name of the test.",
            "schema_name": "Schema of the tested relation; null for a test over several.",
            "table_name": "Tested relation; null for a test over several.",
            "status": "pass, or warn where a test of severity warn found rows.",
            "severity": "error: blocks publication where it fails; warn: is shown.",
            "failures": "Rows that the test found.",
            "message": "dbt's message.",
            "seconds": "How long the test took, in seconds.",
        },
    ),
    ("quality", "quarantine"): Described(
        "One row per row of a publisher that could not be read or breaks its contract, with the reason.",
        {
            "source_code": _SOURCE_CODE,
            "edition_id": _EDITION_ID,
            "table_name": "Canonical table that the row was meant for.",
            "file_name": "File that holds the row: its name, or its SHA-256.",
            "locator": "Where in the file.",
            "reason": "Why the row was not taken.",
            "raw": "The row as it was read, as JSON.",
        },
    ),
    ("quality", "edition"): Described(
        "One row per edition and canonical table in the lake, superseded editions included.",
        {
            "source_code": _SOURCE_CODE,
            "table_name": "Canonical table.",
            "edition_id": _EDITION_ID,
            "edition_partition": "Part of the source that the edition renews; `all` where it replaces everything.",
            "published_on": "Day on which the publisher published the edition.",
            "ingested_at": "When the bytes were obtained.",
            "is_bundled": "True for the extract that ships with the project.",
            "file_count": "Files of the edition.",
            "row_count": "Rows that the edition put into the table.",
            "rows_read": "Rows read from the edition's files, over all tables.",
            "rows_quarantined": "Rows of the edition in quarantine, over all tables.",
            "rows_dropped": "Rows of the edition left out by a named rule, over all tables.",
            "previous_row_count": "Rows of the edition before it, same partition and scope; null for the first.",
            "is_latest": "True for the edition that facts and marts are made from.",
            "gate_warnings": "What was noticed against the edition before (size, header, gaps); null for nothing.",
        },
    ),
    ("quality", "file_account"): Described(
        "What became of the rows parsed from each file: they are in the lake, in quarantine, or dropped by a rule.",
        {
            "source_code": _SOURCE_CODE,
            "edition_id": _EDITION_ID,
            "table_name": "Canonical table that the rows were meant for.",
            "file_sha256": "File that the rows were parsed from, by its hash.",
            "rows_parsed": "Rows that the parser gave.",
            "rows_quarantined": "Of these, rows that break the contract; they stand in quality.quarantine.",
            "rows_dropped": "Of these, rows left out by a named rule: exact repeats, and corrections that drop.",
        },
    ),
    ("catalog", "release"): Described(
        "One row: this release and how it was made.",
        {
            "release_id": "Number of the release.",
            "created_at": "When it was made (UTC).",
            "as_of": "Day up to which publications were taken; null for all.",
            "previous_release_id": "Release that was current before; null for the first.",
            "fingerprint": "Digest of all inputs, code and engines; equal fingerprints mean equal figures.",
            "duckdb_version": "Version of DuckDB that computed the figures.",
        },
    ),
    ("catalog", "tables"): Described(
        "One row per published table.",
        {
            "schema_name": "Schema.",
            "table_name": "Table.",
            "description": "What one row is and what the table is for.",
            "row_count": "Rows.",
            "column_count": "Columns.",
            "last_data_year": "Latest year of data in the table, where it has a column of that name.",
            "theme": "Theme of a mart; null for other tables.",
            "key_columns": "Columns that tell the rows apart, separated by commas; null where none are declared.",
            "source_codes": "Sources that the rows name, separated by commas (catalog.sources); null for none.",
            "licences": "Licences of these sources, separated by semicolons.",
            "definition_ids": "Definitions that the rows name, separated by commas (vocabulary.definition).",
            "example_sql": "A query on the table: one of the documented examples, else its first rows.",
        },
    ),
    ("catalog", "columns"): Described(
        "One row per published column.",
        {
            "schema_name": "Schema.",
            "table_name": "Table.",
            "column_name": "Column.",
            "position": "Place in the table, from 1.",
            "data_type": "DuckDB type.",
            "unit": "What one unit of the value means: as contract or description say it, else as the name does. "
            "The name of another column of the table (unit, currency) where that column says it row by row.",
            "allowed_values": "Closed set of values, separated by commas, where there is one.",
            "description": "Meaning.",
        },
    ),
    ("catalog", "column_lineage"): Described(
        "One row per column of a mart (or of a model in schema quality) and column of facts or vocabulary that its "
        "value is made from, followed through the SQL of all models. Columns that only select or join rows are not "
        "in it, and a column without a row is a constant or a count.",
        {
            "schema_name": "Schema of the table.",
            "table_name": "Table.",
            "column_name": "Column.",
            "origin_schema": "facts, vocabulary, or for what is said of editions and sources quality or catalog.",
            "origin_table": "Table that the value comes from.",
            "origin_column": "Column that the value comes from.",
        },
    ),
    ("catalog", "source_to_mart"): Described(
        "One row per source, publisher's column, column of facts and column of a mart that is made from it: where a "
        "publisher's header leads, and what a mart's figure was read from. A source is listed where it has rows in "
        "the table of facts and the mart names it in source_codes.",
        {
            "source_code": _SOURCE_CODE,
            "publisher_column": "The publisher's own column, element or field; <year> and the like stand for a part "
            "of the name that varies. Null where the value was read from no column.",
            "fact_table": "Table of schema facts.",
            "fact_column": "Column of that table.",
            "mart_name": "Mart.",
            "mart_column": "Column of the mart.",
            "origin_kind": "column: read from the publisher's column; document: typed from the documents that the "
            "rows cite; rule: set in reading, the same for all rows or decided from several cells.",
        },
    ),
    ("catalog", "models"): Described(
        "One row per model: how the tables of this release were worked out, as it was run. The rule by which the "
        "facts behind any figure are found again (biopharma explain).",
        {
            "schema_name": "Layer: staging (latest editions), intermediate, marts, quality.",
            "table_name": "Model.",
            "language": "sql or python.",
            "code": "The query as it was run, or the text of the Python function.",
            "settings": "Settings of a Python function (seed, runs), as JSON.",
            "inputs": "What the model reads, separated by commas.",
            "grain": "Columns that tell its rows apart, separated by commas; null where no test states them.",
            "description": "What one row is and what the model does.",
            "column_descriptions": "Meaning of its columns, as JSON.",
        },
    ),
    ("catalog", "lineage"): Described(
        "One row per column of a model: its formula in words and the columns that it follows from.",
        {
            "relation_name": "Model, with its schema.",
            "column_name": "Column.",
            "formula": "How it is worked out within the model, in words; empty where it is handed on as it is.",
            "value_columns": "Columns whose values enter it, separated by commas; facts.* are published tables.",
            "condition_columns": "Columns that decide which values enter, separated by commas.",
        },
    ),
    ("catalog", "sources"): Described(
        "One row per source: who publishes it, under which terms, and what of it is in this release.",
        {
            "source_code": _SOURCE_CODE,
            "title": "Title of the data set.",
            "publisher": "Publisher.",
            "publisher_country": "ISO 3166-1 alpha-3 code of the publisher; INT for an international organisation.",
            "description": "What it holds.",
            "domain": "Theme: sales, rnd, origin, contract_manufacturing, policy, reference.",
            "kind": "publisher: parsed from the publisher's files; curated: typed by hand from documents.",
            "landing_page": "Web page of the data set.",
            "licence_name": "Licence or terms of use.",
            "licence_url": "Text of the licence.",
            "redistribution": "open: figures may be passed on; facts: cited figures only; never: reading only.",
            "citation": "How to cite it.",
            "cadence": "How often it is published.",
            "freshness_days": "Age in days above which the latest edition counts as stale.",
            "caveats": "What to mind, separated by |.",
            "edition_count": "Editions in the lake, superseded ones included; 0 for a source that is not loaded.",
            "latest_edition_id": "Latest edition in the release.",
            "published_on": "Day on which that edition was published.",
            "is_bundled": "True where that edition is the extract that ships with the project.",
            "row_count": "Rows of the source in schema facts.",
            "first_data_year": "Earliest year that its rows are about (of the documents, where rows name no period).",
            "last_data_year": "Latest year that its rows are about (of the documents, where rows name no period).",
            "quarantined_row_count": "Rows of its editions in quarantine.",
        },
    ),
}
