"""What is checked: check specifications, generated from the contracts and read from the suites.

Nothing here imports Great Expectations, so that checks can be listed without paying for its import.

A suite is a YAML file that adds to what the contract already says:

    table: sales_observation          # the relation, without its schema; a check may name another
    requires: [mhlw_ndb/FY2019]       # optional: editions without which there is nothing to look at
    checks:
      - id: period_order              # the check id becomes <table or source>__<id>
        severity: fail                # fail blocks what is downstream, warn is shown
        description: A period ends on or after its first day.
        query: select ... from batch where period_end < period_start
      - id: currency_shape
        severity: fail
        description: Currencies are ISO 4217 codes.
        column: currency
        expectation: expect_column_values_to_match_regex
        kwargs: {regex: "^[A-Z]{3}$"}

A `query` returns the rows that break the rule. It reads the checked relation as `batch` and may read any other
relation of the work file. `_every_table.yml` holds checks that apply to each table of its folder (`$table` is
the table's name), less those that the table's suite lists under `except`.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ingest import lake, plain_yaml
from ingest.errors import IngestError
from ingest.source import discover

SUITES_DIR = Path(__file__).resolve().parent / "suites"
QUERY_EXPECTATION = "expect_query_to_return_no_rows"

Stage = Literal["lake", "marts"]
Severity = Literal["fail", "warn"]


class SuiteError(IngestError):
    """A suite file is malformed or contradicts another."""


@dataclass(frozen=True)
class CheckSpec:
    """One check: what is expected of which relation, and what follows if it is not so.

    `kwargs` are those of the Great Expectations expectation `expectation_type`. `requires` names what must have
    been loaded for the check to have something to look at: a source (`mhlw_ndb`), a partition of it
    (`mhlw_ndb/FY2019`) or an edition by its publication date (`fda_decrs@2025-07-25`). Without it, the check is
    reported as passed over no rows.

    What a query finds may be known without asking it: nothing, if none of its `conditions` holds in any row of the
    relation, or if no two rows agree on all columns of `unique`. Of other queries nothing is said here.
    """

    check_id: str
    stage: Stage
    suite: str
    table_schema: str
    table_name: str
    column_name: str | None
    expectation_type: str
    kwargs: dict[str, Any] = field(hash=False)
    severity: Severity
    description: str
    requires: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()


class _Check(BaseModel):
    """A check as a suite file writes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    severity: Severity
    description: str = Field(min_length=1)
    table: str | None = None
    column: str | None = None
    query: str | None = None
    expectation: str | None = Field(default=None, pattern=r"^expect_[a-z_]+$")
    kwargs: dict[str, Any] = {}
    requires: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _query_or_expectation(self) -> _Check:
        if (self.query is None) == (self.expectation is None):
            raise ValueError(f"check {self.id} needs either a query or an expectation")
        if self.query is not None and self.kwargs:
            raise ValueError(f"check {self.id} has a query, which takes no kwargs")
        return self


class _Suite(BaseModel):
    """A suite file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    table: str | None = None
    requires: tuple[str, ...] = ()
    minimum_rows: int = Field(default=1, ge=0)
    left_out: tuple[str, ...] = Field(default=(), alias="except")
    checks: tuple[_Check, ...] = ()


def check_specs(stage: Stage) -> list[CheckSpec]:
    """All checks of a stage, table by table; raises SuiteError for a malformed suite file."""
    return list(_specs(stage))


def contract_checks(table: str, *, minimum_rows: int = 1) -> list[CheckSpec]:
    """The checks that follow from the contract of a canonical table and from the sources that declare it.

    Columns and types, mandatory columns, the key, closed sets, lower bounds, country codes, finite numbers and
    blank texts come from `ingest/contracts.yml`; the presence of sources from each `source.yml`.
    `minimum_rows` is 0 for a table that no source feeds yet: a row count that cannot fail is no check.
    """
    rules = lake.contract(table)
    return [
        *_structure_checks(rules),
        *(spec for column in rules.columns for spec in _column_checks(table, column)),
        *_presence_checks(table, minimum_rows),
    ]


def _structure_checks(rules: lake.Contract) -> Iterator[CheckSpec]:
    table = rules.name
    yield _spec(
        table,
        "columns",
        "The columns and their types are those of the contract.",
        query=_columns_query(rules.columns),
    )
    mandatory = [c.name for c in rules.columns if not c.nullable]
    yield _column_counts(
        table,
        "required",
        "Mandatory columns, those of lineage included, have a value in every row.",
        {name: f"{name} is null" for name in mandatory},
        label="null_rows",
    )
    yield _spec(
        table,
        "key",
        f"No two rows of one edition agree on {', '.join(rules.key)}.",
        query=f"select source_code, edition_id, {', '.join(rules.key)}, count(*) as row_count from batch "
        "group by all having count(*) > 1",
        unique=("source_code", "edition_id", *rules.key),
    )
    texts = [c.name for c in rules.columns if c.type == "string"]
    # What is made of blanks sorts before the exclamation mark, as the statistics of a column can tell.
    yield _column_counts(
        table,
        "blank_text",
        "A text that is not known is null, never blank.",
        {name: f"{name} < '!' and trim({name}) = ''" for name in texts},
        label="blank_rows",
        severity="warn",
    )
    numbers = [c.name for c in rules.columns if c.type == "float64"]
    if numbers:
        yield _column_counts(
            table,
            "finite",
            "Numbers are finite: neither NaN nor infinite.",
            {name: f"not isfinite({name})" for name in numbers},
            label="rows_not_finite",
        )


def _column_checks(table: str, column: lake.Column) -> Iterator[CheckSpec]:
    name = column.name
    if column.allowed:
        yield _spec(
            table,
            f"{name}__allowed",
            f"{name} is one of {', '.join(column.allowed)}.",
            column=name,
            expectation="expect_column_values_to_be_in_set",
            kwargs={"value_set": list(column.allowed)},
        )
    if column.min is not None:
        yield _spec(
            table,
            f"{name}__minimum",
            f"{name} is at least {column.min:g}.",
            column=name,
            expectation="expect_column_values_to_be_between",
            kwargs={"min_value": column.min},
        )
    if column.domain == "country":
        yield _spec(
            table,
            f"{name}__country",
            f"{name} is a code of the country vocabulary.",
            column=name,
            query=f"select {name}, count(*) as row_count from batch "
            f"where {name} not in (select iso3 from vocabulary.country) group by all",
        )


def _presence_checks(table: str, minimum_rows: int) -> Iterator[CheckSpec]:
    if minimum_rows > 0:
        yield _spec(
            table,
            "row_count",
            f"The table holds {minimum_rows:,} rows or more.",
            expectation="expect_table_row_count_to_be_between",
            kwargs={"min_value": minimum_rows},
        )
    # A source without a share of the bundled edition has nothing to contribute until its user fetches it.
    declared = [code for code, source in discover().items() if (source.edition_dir / f"{table}.csv").exists()]
    if declared:
        listed = ", ".join(f"('{code}')" for code in declared)
        yield _spec(
            table,
            "sources_present",
            "Every source whose share of the bundled edition holds the table has contributed rows to it.",
            query=f"select source_code from (values {listed}) as declared (source_code) "
            "where source_code not in (select distinct source_code from batch)",
            severity="warn",
        )


def _columns_query(columns: Sequence[lake.Column]) -> str:
    expected = ", ".join(f"('{c.name}', '{c.sql_type}')" for c in columns)
    return (
        "select column_name, found_type, expected_type "
        f"from (values {expected}) as expected (column_name, expected_type) "
        "full join (select column_name, lower(column_type) as found_type from (describe select * from batch)) "
        "using (column_name) where found_type is distinct from expected_type"
    )


def _column_counts(
    table: str, name: str, description: str, conditions: dict[str, str], *, label: str, severity: Severity = "fail"
) -> CheckSpec:
    """A check of the columns in which a condition holds, each with the number of rows in which it does."""
    counts = ", ".join(f"count(*) filter (where {condition}) as {column}" for column, condition in conditions.items())
    return _spec(
        table,
        name,
        description,
        query=f"select column_name, {label} from (unpivot (select {counts} from batch) on * "
        f"into name column_name value {label}) where {label} > 0",
        severity=severity,
        conditions=tuple(conditions.values()),
    )


def _spec(
    table: str,
    name: str,
    description: str,
    *,
    stage: Stage = "lake",
    suite: str | None = None,
    prefix: str | None = None,
    severity: Severity = "fail",
    column: str | None = None,
    query: str | None = None,
    expectation: str | None = None,
    kwargs: dict[str, Any] | None = None,
    requires: tuple[str, ...] = (),
    conditions: tuple[str, ...] = (),
    unique: tuple[str, ...] = (),
) -> CheckSpec:
    arguments = dict(kwargs or {})
    if query is not None:
        arguments["query"] = query.strip()
    elif column is not None:
        arguments["column"] = column
    return CheckSpec(
        check_id=f"{prefix or table}__{name}",
        stage=stage,
        suite=suite or table,
        table_schema=stage,
        table_name=table,
        column_name=column,
        expectation_type=QUERY_EXPECTATION if expectation is None else expectation,
        kwargs=arguments,
        severity=severity,
        description=description,
        requires=requires,
        conditions=conditions,
        unique=unique,
    )


@cache
def _specs(stage: Stage) -> tuple[CheckSpec, ...]:
    specs = tuple(_lake_specs() if stage == "lake" else _mart_specs())
    seen: set[str] = set()
    for spec in specs:
        if spec.check_id in seen:
            raise SuiteError(
                f"check {spec.check_id} is defined twice", file=spec.suite, remedy="Give one of them another id."
            )
        seen.add(spec.check_id)
    return specs


def _lake_specs() -> Iterator[CheckSpec]:
    shared = _read(SUITES_DIR / "lake" / "_every_table.yml")
    suites = {path.stem: _read(path) for path in _files("lake")}
    extras = [spec for path in _files("sources") for spec in _written(_read(path), path, "lake", prefix=path.stem)]
    unknown = (set(suites) | {spec.table_name for spec in extras}) - set(lake.contracts())
    if unknown:
        raise SuiteError(
            f"there is no canonical table {', '.join(sorted(unknown))}",
            file="data_quality/suites",
            remedy="Use a table of ingest/contracts.yml.",
        )
    for table in lake.contracts():
        path = SUITES_DIR / "lake" / f"{table}.yml"
        suite = suites.get(table, _Suite(table=table))
        yield from contract_checks(table, minimum_rows=suite.minimum_rows)
        yield from _shared(shared, suite, path, "lake")
        yield from _written(suite, path, "lake")
        yield from (spec for spec in extras if spec.table_name == table)


def _mart_specs() -> Iterator[CheckSpec]:
    shared = _read(SUITES_DIR / "marts" / "_every_table.yml")
    for path in _files("marts"):
        suite = _read(path)
        yield from _shared(shared, suite, path, "marts")
        yield from _written(suite, path, "marts")


def _files(folder: str) -> list[Path]:
    return sorted(path for path in (SUITES_DIR / folder).glob("*.yml") if not path.name.startswith("_"))


def _read(path: Path) -> _Suite:
    try:
        return _Suite.model_validate(plain_yaml.load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SuiteError(
            f"the suite is not valid: {error}", file=path.name, remedy="Correct the named part of the file."
        ) from error


def _shared(shared: _Suite, suite: _Suite, path: Path, stage: Stage) -> Iterator[CheckSpec]:
    unknown = set(suite.left_out) - {check.id for check in shared.checks}
    if unknown:
        raise SuiteError(
            f"`except` names {', '.join(sorted(unknown))}, which no shared check is called",
            file=path.name,
            remedy="Remove it.",
        )
    kept = tuple(check for check in shared.checks if check.id not in suite.left_out)
    return _written(_Suite(table=suite.table, checks=kept), path, stage)


def _written(suite: _Suite, path: Path, stage: Stage, *, prefix: str | None = None) -> Iterator[CheckSpec]:
    for check in suite.checks:
        table = check.table or suite.table
        if table is None:
            raise SuiteError(f"check {check.id} names no table", file=path.name, remedy="Add `table`.")
        yield _spec(
            table,
            check.id,
            string.Template(check.description).safe_substitute(table=table),
            stage=stage,
            suite=path.stem,
            prefix=prefix,
            severity=check.severity,
            column=check.column,
            query=None if check.query is None else string.Template(check.query).safe_substitute(table=table),
            expectation=check.expectation,
            kwargs=check.kwargs,
            requires=(*suite.requires, *check.requires),
        )
