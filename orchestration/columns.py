"""Which columns a mart's column is made from, down to the canonical tables and to the publishers' own columns.

The compiled SQL of every model is read with sqlglot: each column of a model names the columns of other relations that
its expression holds. Followed down to the canonical tables (`lake.*`) and the reviewed tables (`vocabulary.*`), and
joined with what each source declares of its publisher's columns (`columns` in source.yml), this answers which
publisher's column feeds which column of a mart. What only selects or joins rows is not part of it.

What a model is made from depends on the dbt project alone, so it is worked out once per state of the project.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ingest.archive import write_atomically
from ingest.settings import Settings

# A relation (schema and name) and one of its columns.
Relation = tuple[str, str]
Origin = tuple[str, str, str]

# Raise it when the way in which columns are followed changes: results that are kept are then worked out anew.
_METHOD = 2
_BASES = frozenset({"lake", "vocabulary"})
_INPUT = re.compile(r"""dbt\.(ref|source)\(\s*["'](\w+)["'](?:\s*,\s*["'](\w+)["'])?\s*\)""")


@dataclass
class Models:
    """For each relation and column the columns that it is made from, one step down.

    `unresolved` names columns whose expression could not be followed, with the reason; a test keeps it empty.
    """

    columns: dict[Relation, dict[str, frozenset[Origin]]] = field(default_factory=dict)
    unresolved: list[str] = field(default_factory=list)

    def bases(self, relation: Relation, column: str) -> frozenset[Origin]:
        """Columns of canonical and reviewed tables that a column is made from; empty for constants and counts."""
        found: set[Origin] = set()
        seen: set[Origin] = set()
        waiting: list[Origin] = [(*relation, column)]
        while waiting:
            schema, table, name = waiting.pop()
            if (schema, table, name) in seen:
                continue
            seen.add((schema, table, name))
            if schema in _BASES:
                found.add((schema, table, name))
            else:
                waiting += self.columns.get((schema, table), {}).get(name, frozenset())
        return frozenset(found)


def of_build(settings: Settings, relations: Mapping[Relation, Iterable[str]]) -> Models:
    """The columns behind the columns of the models that the last dbt build compiled.

    `relations` has every relation of the work file with its columns. The result is kept beside the build, and read
    from there as long as neither a compiled model nor a column of an input has changed.
    """
    texts = compiled(settings.work / "dbt" / "target" / "compiled")
    schemas = {relation: list(names) for relation, names in relations.items()}
    known = {key: text for key, text in texts.items() if _relation_of(key, schemas) is not None}
    digest = hashlib.sha256(
        json.dumps(
            [_METHOD, version("sqlglot"), sorted(known.items()), sorted([*k, *v] for k, v in schemas.items())]
        ).encode()
    ).hexdigest()
    kept = settings.work / "dbt" / "columns.json"
    if (models := _read(kept, digest)) is None:
        models = trace({rel: text for key, text in known.items() if (rel := _relation_of(key, schemas))}, schemas)
        _write(kept, digest, models)
    return models


def compiled(folder: Path) -> dict[str, str]:
    """Text of every compiled model below dbt's folder of compiled files, by file name; tests are left out."""
    return {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted(folder.glob("*/models/**/*"))
        if path.suffix in {".sql", ".py"} and path.is_file() and not path.parent.name.endswith(".yml")
    }


def trace(texts: Mapping[Relation, str], schemas: Mapping[Relation, list[str]]) -> Models:
    """The columns behind the columns of some models, from their compiled text; `schemas` has all relations' columns.

    A model in Python says only what it reads: a column of an input's name is taken to come from there, any other
    from all columns of all inputs.
    """
    from sqlglot import MappingSchema

    schema_of = MappingSchema(dialect="duckdb", normalize=False)
    for (schema, table), names in schemas.items():
        schema_of.add_table(f"{schema}.{table}", dict.fromkeys(names, "varchar"))
    models = Models()
    for relation, text in texts.items():
        names = schemas[relation]
        if _INPUT.search(text) and "def model(" in text:
            models.columns[relation] = _python_model(text, names, schemas)
            continue
        try:
            found = _Reader(schema_of).columns(text)
        except Exception as error:
            # Whatever sqlglot cannot read is named, and a test fails.
            models.unresolved.append(f"{'.'.join(relation)}: {str(error).splitlines()[0][:200]}")
            continue
        models.unresolved += [f"{'.'.join(relation)}.{name}: not in the query" for name in names if name not in found]
        models.columns[relation] = {name: found[name] for name in names if name in found}
    return models


def _python_model(
    text: str, names: Iterable[str], schemas: Mapping[Relation, list[str]]
) -> dict[str, frozenset[Origin]]:
    by_name = {table: (schema, table) for schema, table in schemas if schema not in _BASES}
    inputs = [
        by_name[first] if kind == "ref" else (first, second)
        for kind, first, second in dict.fromkeys(_INPUT.findall(text))
        if kind == "source" or first in by_name
    ]
    everything = frozenset((*relation, name) for relation in inputs for name in schemas[relation])
    return {name: frozenset(o for o in everything if o[2] == name) or everything for name in names}


class _Reader:
    """Follows the columns of one query through its common table expressions and subqueries."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._done: dict[int, list[tuple[str, frozenset[Origin]]]] = {}

    def columns(self, text: str) -> dict[str, frozenset[Origin]]:
        import sqlglot
        from sqlglot.optimizer.qualify import qualify
        from sqlglot.optimizer.scope import build_scope

        tree = qualify(
            sqlglot.parse_one(text, dialect="duckdb"),
            schema=self._schema,
            dialect="duckdb",
            quote_identifiers=False,
            identify=False,
            validate_qualify_columns=False,
        )
        scope = build_scope(tree)
        if scope is None:
            raise ValueError("the text is no query")
        return dict(self._of_scope(scope))

    def _of_scope(self, scope: Any) -> list[tuple[str, frozenset[Origin]]]:
        """Name and origins of each column, in their order; a column without a name has an empty one."""
        from sqlglot import exp

        if id(scope) in self._done:
            return self._done[id(scope)]
        query = scope.expression
        if isinstance(query, exp.SetOperation):
            first, *others = (self._of_scope(side) for side in scope.set_operation_scopes)
            result = []
            for position, (name, origins) in enumerate(first):
                same = [
                    dict(side).get(name, frozenset()) if query.args.get("by_name") else side[position][1]
                    for side in others
                ]
                result.append((name, origins.union(*same)))
        elif isinstance(query, exp.Query):
            result = [
                (projection.alias_or_name, frozenset(self._in_expression(projection, scope)))
                for projection in query.selects
            ]
        else:
            # unnest, values and the like: all of its columns come from whatever it holds.
            found = frozenset(self._in_expression(query, scope.parent or scope))
            result = [(name, found) for name in [*(scope.outer_columns or []), ""]]
        self._done[id(scope)] = result
        return result

    def _in_expression(self, node: Any, scope: Any) -> set[Origin]:
        from sqlglot import exp

        nested = {id(inner.expression): inner for inner in scope.subquery_scopes}
        found: set[Origin] = set()
        waiting = [node]
        while waiting:
            part = waiting.pop()
            if id(part) in nested:
                for _, origins in self._of_scope(nested[id(part)]):
                    found |= origins
                continue
            if isinstance(part, exp.Column):
                found |= self._of_column(part, scope)
            # What a window is divided by selects rows; the value comes from what it holds and from its order.
            divided = part.args.get("partition_by") or [] if isinstance(part, exp.Window) else []
            waiting += [inner for inner in part.iter_expressions() if not any(inner is by for by in divided)]
        return found

    def _of_column(self, column: Any, scope: Any) -> frozenset[Origin]:
        from sqlglot import exp

        source = None
        at = scope
        while at is not None and source is None:
            source = at.sources.get(column.table)
            at = at.parent
        if isinstance(source, exp.Table):
            return frozenset({(source.db, source.name, column.name)})
        if source is None:
            return frozenset()
        found = dict(self._of_scope(source))
        return found.get(column.name) or found.get("", frozenset())


def _relation_of(file_name: str, schemas: Mapping[Relation, object]) -> Relation | None:
    name = file_name.rsplit(".", 1)[0]
    return next((relation for relation in schemas if relation[1] == name and relation[0] not in _BASES), None)


def _read(path: Path, digest: str) -> Models | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["digest"] != digest:
            return None
        columns = {
            tuple(relation.split(".")): {
                name: frozenset(tuple(origin.split(".")) for origin in origins) for name, origins in found.items()
            }
            for relation, found in kept["columns"].items()
        }
        return Models(columns, kept["unresolved"])
    except (OSError, ValueError, KeyError):
        return None


def _write(path: Path, digest: str, models: Models) -> None:
    content = {
        "digest": digest,
        "unresolved": models.unresolved,
        "columns": {
            ".".join(relation): {name: sorted(map(".".join, origins)) for name, origins in found.items()}
            for relation, found in models.columns.items()
        },
    }
    write_atomically(path, json.dumps(content).encode())
