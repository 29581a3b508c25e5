"""A shell for questions: SQL on a release, read-only, with completion, history and the catalogue at hand.

A statement ends with a semicolon and may run over several lines. What begins with a point is a command of the shell:
`.help` lists them. Nothing can be changed here and no other file can be reached (`orchestration.reader`).
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import duckdb
from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import Output
from pygments.lexers.sql import SqlLexer  # type: ignore[import-untyped]
from rich.console import Console

from ingest.settings import Settings
from orchestration import reader, terminal
from orchestration.errors import RunError
from orchestration.text import rows_text

HISTORY = "shell_history"

_WORD = re.compile(r"[\w.]*$")
_NAMED = re.compile(r"\b(?:from|join)\s+(?:(\w+)\.)?(\w+)(?:\s+(?:as\s+)?(\w+))?", re.IGNORECASE)
_AFTER_FROM = re.compile(r"\b(?:from|join|describe|summarize)\s+[\w.]*$", re.IGNORECASE)
_NO_ALIAS = frozenset({"where", "group", "order", "join", "left", "inner", "full", "cross", "limit", "on", "qualify"})
_QUOTED = re.compile(r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*\"""", re.DOTALL)
_ROWS = 200
# Of a table of no more rows than this, `describe` shows the values of columns that have few and short ones.
_LOOKED_THROUGH, _FEW_VALUES, _LIST_LENGTH = 1_000_000, 12, 200
# Columns that say on what a row rests.
_LISTS = frozenset({"definition_ids", "source_codes", "edition_ids", "edition_id", "file_sha256"})


@dataclass(frozen=True)
class Names:
    """What can be named in a release: tables with their columns, macros, functions, keywords."""

    tables: dict[tuple[str, str], str]
    columns: dict[tuple[str, str], list[tuple[str, str]]]
    macros: dict[str, str]
    functions: list[str]
    keywords: list[str]
    release_id: str

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> Names:
        """The names in an open release."""
        tables = {
            (schema, table): text.split(". ")[0]
            for schema, table, text in connection.execute(
                "select schema_name, table_name, description from catalog.tables "
                "order by schema_name <> 'marts', 1, 2"
            ).fetchall()
        }
        columns: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for schema, table, column, kind in connection.execute(
            "select schema_name, table_name, column_name, lower(data_type) from catalog.columns "
            "order by schema_name, table_name, position"
        ).fetchall():
            columns.setdefault((schema, table), []).append((column, kind))
        macros = dict(
            connection.execute(
                "select function_name, list_aggregate(parameters, 'string_agg', ', ') from duckdb_functions() "
                "where function_type = 'table_macro' and not internal order by 1"
            ).fetchall()
        )
        functions = [
            name
            for (name,) in connection.execute(
                "select distinct function_name from duckdb_functions() where internal and "
                "function_type in ('scalar', 'aggregate', 'macro') and regexp_full_match(function_name, '[a-z]\\w+') "
                "order by 1"
            ).fetchall()
        ]
        keywords = [
            word for (word,) in connection.execute("select keyword_name from duckdb_keywords() order by 1").fetchall()
        ]
        [(release_id,)] = connection.execute("select release_id from catalog.release").fetchall()
        return cls(tables, columns, macros, functions, keywords, release_id)

    def find(self, name: str) -> tuple[str, str] | None:
        """The table of a name with or without its schema; the first schema of the search path that has it."""
        schema, _, table = name.lower().rpartition(".")
        return next((key for key in self.tables if key[1] == table and schema in ("", key[0])), None)


class SqlCompleter(Completer):
    """Offers what fits where the cursor stands: tables after `from`, columns of the tables named, else anything."""

    def __init__(self, names: Names, commands: Iterable[str]) -> None:
        self._names = names
        self._commands = sorted(commands)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Completions of the word before the cursor, the likeliest first."""
        before = document.text_before_cursor
        if before.lstrip().startswith("."):
            yield from self._of_command(before.lstrip())
            return
        found = _WORD.search(before)
        word = found[0].lower() if found else ""
        if _AFTER_FROM.search(before):
            offered = self._tables(word)
        elif "." in word:
            offered = self._behind_point(word, document.text)
        elif word:
            offered = self._anything(document.text)
        else:
            return
        yield from _matching(word, offered)

    def _of_command(self, text: str) -> Iterator[Completion]:
        command, _, rest = text.partition(" ")
        if " " not in text:
            yield from _matching(command, ((name, "") for name in self._commands))
        elif command in {".describe", ".example", ".from", ".tables"}:
            yield from _matching(rest.lower(), self._tables(rest.lower()))
        elif command == ".mode":
            yield from _matching(rest, ((name, "") for name in get_args(terminal.Format)))

    def _tables(self, word: str) -> Iterator[tuple[str, str]]:
        for (schema, table), text in self._names.tables.items():
            yield (f"{schema}.{table}" if "." in word or schema != "marts" else table), text
        for name, parameters in self._names.macros.items():
            yield f"{name}(", parameters

    def _named(self, text: str) -> dict[str, tuple[str, str]]:
        """Tables that a statement names, by name and by alias."""
        named = {}
        for schema, table, alias in _NAMED.findall(text):
            key = self._names.find(f"{schema}.{table}" if schema else table)
            if key is not None:
                named[table.lower()] = key
                if alias and alias.lower() not in _NO_ALIAS:
                    named[alias.lower()] = key
        return named

    def _behind_point(self, word: str, text: str) -> Iterator[tuple[str, str]]:
        head = word.rpartition(".")[0]
        key = self._named(text).get(head) or self._names.find(head)
        if key is not None:
            yield from ((f"{head}.{column}", kind) for column, kind in self._names.columns[key])
        for (schema, table), about in self._names.tables.items():
            if schema == head:
                yield f"{schema}.{table}", about

    def _anything(self, text: str) -> Iterator[tuple[str, str]]:
        named = list(dict.fromkeys(self._named(text).values()))
        for key in named or [key for key in self._names.tables if key[0] == "marts"]:
            yield from ((column, f"{kind}, {key[1]}") for column, kind in self._names.columns[key])
        yield from ((word, "") for word in self._names.keywords)
        yield from self._tables("")
        yield from ((f"{name}(", "function") for name in self._names.functions)


def _matching(word: str, offered: Iterable[tuple[str, str]]) -> Iterator[Completion]:
    """What begins with the word, then what holds it, each once."""
    begins: dict[str, str] = {}
    holds: dict[str, str] = {}
    for text, about in offered:
        lowered = text.lower()
        if lowered.startswith(word):
            begins.setdefault(text, about)
        elif len(word) > 2 and word in lowered:
            holds.setdefault(text, about)
    for text, about in [*begins.items(), *((t, a) for t, a in holds.items() if t not in begins)]:
        yield Completion(text, start_position=-len(word), display_meta=about[:60])


class Shell:
    """The state of a session: the open release, what it holds, and how answers are shown."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, out: Console) -> None:
        self._connection = connection
        self._out = out
        self.names = Names.of(connection)
        self.mode: terminal.Format = "table"
        self.rows = _ROWS
        self.timer = True
        self.pager = out.is_terminal
        self.is_over = False
        self.commands: dict[str, tuple[Callable[[str], None], str]] = {
            ".help": (self._help, "this list; `.help WORD` searches the catalogue"),
            ".tables": (
                self.tables,
                "[WORD]: marts with what they are for; all tables of a schema, or that hold a word",
            ),
            ".describe": (
                self.describe,
                "TABLE: rows, sources, licences, and every column with unit, meaning and, if few, values",
            ),
            ".example": (self._example, "TABLE: a documented query on it, and its answer"),
            ".from": (self._from, "MART[.COLUMN]: the publishers' columns that it is made from"),
            ".search": (self._search, "WORDING: tables, columns, publishers' columns, definitions and sources"),
            ".sources": (self._sources, "sources of the release with their last data year and licence"),
            ".mode": (self._mode, "table, csv, json or markdown: how answers are printed"),
            ".rows": (self._rows, "N: rows to print of an answer; 0 for all"),
            ".timer": (self._timer, "on or off: how long an answer took"),
            ".pager": (self._pager, "on or off: page what does not fit on the screen"),
            ".quit": (self._quit, "leave; Ctrl+D does it too"),
        }

    def take(self, text: str) -> None:
        """Do what was typed: a statement, several, or a command of the shell. Errors are shown, not raised."""
        text = text.strip()
        if not text.rstrip(";").strip():
            return
        try:
            if text.startswith("."):
                word, _, rest = text.partition(" ")
                self._command(word)(rest.strip().rstrip(";"))
            else:
                self._ask(text)
        except duckdb.Error as error:
            self._fail(str(error).strip(), "Tables: .tables; columns: .describe TABLE; a wording: .search WORDING.")
        except RunError as error:
            self._fail(error.text.removesuffix(error.remedy).strip(), error.remedy)
        except KeyboardInterrupt:
            self._connection.interrupt()
            self._fail("Interrupted.", "The query was stopped; nothing was changed.")

    def _command(self, word: str) -> Callable[[str], None]:
        if word not in self.commands:
            raise RunError(f"there is no command {word}", remedy="See them: .help")
        return self.commands[word][0]

    def _ask(self, sql: str, parameters: list[Any] | None = None, *, quiet: bool = False) -> None:
        started = time.perf_counter()
        if (result := reader.ask(self._connection, sql, parameters or [])) is None:
            return
        columns = [column[0] for column in result.description or []]
        rows = result.fetchmany(self.rows + 1) if self.rows else result.fetchall()
        took = time.perf_counter() - started
        cut = bool(self.rows) and len(rows) > self.rows
        shown = rows[: self.rows] if cut else rows
        if self.mode == "table" and self.pager and len(shown) + 4 > self._out.height:
            # Unless the user has said otherwise: show colours, and leave at once what fits after all.
            os.environ.setdefault("LESS", "-FRX")
            with self._out.pager(styles=True):
                terminal.show_rows(self._out, columns, shown, self.mode)
        else:
            terminal.show_rows(self._out, columns, shown, self.mode)
        if quiet or self.mode in {"csv", "json"}:
            return
        told = f"first {rows_text(len(shown))} (all: .rows 0)" if cut else rows_text(len(shown))
        self._say(told + (f", {took:.3f} s" if self.timer else ""))

    def _say(self, text: str) -> None:
        self._out.print(text, style="dim", markup=False)

    def _fail(self, problem: str, remedy: str) -> None:
        self._out.print(problem, style="bold red", markup=False)
        self._out.print(remedy, markup=False)

    def _table(self, name: str) -> tuple[str, str]:
        key = self.names.find(name.strip().rstrip(";"))
        if key is None:
            raise RunError(f"there is no table {name!r}", remedy="See them: .tables, or .search WORDING")
        return key

    def _help(self, word: str) -> None:
        if word:
            self._search(word)
            return
        self._out.print("A statement ends with a semicolon; Tab completes; the arrows bring back what was typed.")
        for name, (_, text) in self.commands.items():
            self._out.print(f"  {name:<10} {text}", markup=False, highlight=False)
        macros = ", ".join(f"from {name}({parameters})" for name, parameters in self.names.macros.items())
        self._out.print(f"Table macros: {macros}", markup=False, highlight=False)

    def tables(self, word: str = "") -> None:
        """Print the marts with what they are for; with a word, the tables of that schema or with that word."""
        where, parameters = "schema_name = 'marts'", []
        if word:
            where = "schema_name = lower($1) or contains(lower(schema_name || '.' || table_name), lower($1))"
            parameters = [word]
        self._ask(
            "select schema_name || '.' || table_name as table_name, row_count, last_data_year, "
            "split_part(description, '. ', 1) as what "
            f"from catalog.tables where {where} order by schema_name <> 'marts', theme, 1",
            parameters,
            quiet=True,
        )

    def describe(self, name: str) -> None:
        """Print what a table is: description, rows, key, sources, licences; columns with unit, meaning and values."""
        schema, table = self._table(name)
        [(text, rows, year, key, sources, licences)] = self._connection.execute(
            "select description, row_count, last_data_year, key_columns, source_codes, licences "
            "from catalog.tables where schema_name = ? and table_name = ?",
            [schema, table],
        ).fetchall()
        self._out.print(f"{schema}.{table}", style="bold", markup=False)
        self._out.print(text, markup=False, highlight=False)
        for head, value in (
            ("Rows", f"{rows:,}"),
            ("Last data year", year),
            ("Key", key),
            ("Sources", sources),
            ("Licences", licences),
        ):
            if value:
                self._out.print(f"{head}: {value}", markup=False, highlight=False)
        values = self._values(schema, table) if rows <= _LOOKED_THROUGH else {}
        self._ask(
            "with shown as (from catalog.columns where schema_name = ? and table_name = ?) "
            "select column_name, lower(data_type) as type, "
            "case when unit in (select column_name from shown where data_type = 'VARCHAR') then 'see ' || unit "
            'else unit end as unit, description, cast(?::json ->> column_name as varchar) as "values" '
            "from shown order by position",
            [schema, table, json.dumps(values)],
            quiet=True,
        )

    def _values(self, schema: str, table: str) -> dict[str, str]:
        """The values of the text columns of a table that have few and short ones."""
        names = [name for name, kind in self.names.columns[schema, table] if kind == "varchar" and name not in _LISTS]
        if not names:
            return {}
        counts = ", ".join(f'count(distinct "{name}")' for name in names)
        [numbers] = self._connection.execute(f'select {counts} from "{schema}"."{table}"').fetchall()
        few = [name for name, number in zip(names, numbers, strict=True) if 0 < number <= _FEW_VALUES]
        if not few:
            return {}
        lists = ", ".join(f'string_agg(distinct "{name}", \', \' order by "{name}")' for name in few)
        [texts] = self._connection.execute(f'select {lists} from "{schema}"."{table}"').fetchall()
        return {name: text for name, text in zip(few, texts, strict=True) if len(text) <= _LIST_LENGTH}

    def _example(self, name: str) -> None:
        schema, table = self._table(name)
        [(sql,)] = self._connection.execute(
            "select example_sql from catalog.tables where schema_name = ? and table_name = ?", [schema, table]
        ).fetchall()
        self._out.print(sql, style="cyan", markup=False, highlight=False)
        self._ask(sql)

    def _from(self, name: str) -> None:
        mart, _, column = name.removeprefix("marts.").partition(".")
        _, table = self._table(f"marts.{mart}")
        self._ask(
            "select mart_column, source_code, "
            "string_agg(distinct coalesce(publisher_column, '(' || origin_kind || ')'), ', ') as publisher_columns, "
            "fact_table || '.' || fact_column as read_into from catalog.source_to_mart "
            "where mart_name = ? and (? = '' or mart_column = ?) group by all order by all",
            [table, column, column],
        )

    def _search(self, wording: str) -> None:
        if not wording:
            raise RunError("a search needs a wording", remedy="For example: .search coverage")
        self._ask("from search(?)", [wording])

    def _sources(self, _: str) -> None:
        self._ask(
            "select source_code, publisher, title, last_data_year, published_on, row_count, licence_name "
            "from catalog.sources where row_count > 0 order by source_code"
        )

    def _mode(self, word: str) -> None:
        modes: dict[str, terminal.Format] = {mode: mode for mode in get_args(terminal.Format)}
        if word not in modes:
            raise RunError(f"there is no mode {word!r}", remedy=f"Choose one of {', '.join(modes)}.")
        self.mode = modes[word]

    def _rows(self, word: str) -> None:
        if not word.isdigit():
            raise RunError(f"{word!r} is no number of rows", remedy="For example: .rows 50, or .rows 0 for all.")
        self.rows = int(word)

    def _timer(self, word: str) -> None:
        self.timer = _is_on(word)

    def _pager(self, word: str) -> None:
        self.pager = _is_on(word)

    def _quit(self, _: str) -> None:
        self.is_over = True


def run(
    settings: Settings,
    directory: Path,
    *,
    out: Console | None = None,
    input_: Input | None = None,
    output: Output | None = None,
) -> None:
    """Take statements from the terminal until its end; `input_` and `output` stand in for it in tests.

    The history is kept in `shell_history` of the installation, where it can be written.
    """
    with reader.open_release(directory) as connection:
        shell = Shell(connection, out or terminal.console())
        session: PromptSession[str] = PromptSession(
            "biopharma> ",
            history=_history(settings.home / HISTORY),
            lexer=PygmentsLexer(SqlLexer),
            completer=SqlCompleter(shell.names, shell.commands),
            complete_while_typing=False,
            auto_suggest=AutoSuggestFromHistory(),
            key_bindings=_keys(),
            multiline=True,
            prompt_continuation=lambda width, *_: " " * (width - 4) + "..> ",
            bottom_toolbar=HTML(
                f"Release <b>{shell.names.release_id}</b>, read-only. <b>;</b> Enter runs, <b>Tab</b> completes, "
                "<b>.help</b>, <b>Ctrl+D</b> leaves."
            ),
            input=input_,
            output=output,
        )
        while not shell.is_over:
            try:
                shell.take(session.prompt())
            except KeyboardInterrupt:
                # Ctrl+C drops what was being typed.
                continue
            except EOFError:
                break


def is_whole(text: str) -> bool:
    """Whether what was typed can be run: a command, nothing, or statements of which the last has its semicolon."""
    stripped = text.strip()
    if not stripped or stripped.startswith("."):
        return True
    # A semicolon in a text or in a comment ends nothing, and neither does one behind an open quote.
    plain = _QUOTED.sub(lambda found: "" if found[0].startswith(("--", "/*")) else "x", stripped)
    return plain.rstrip().endswith(";") and not {"'", '"'} & set(plain) and "/*" not in plain


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @Condition
    def whole() -> bool:
        from prompt_toolkit.application import get_app

        return is_whole(get_app().current_buffer.text)

    @keys.add("enter", filter=whole)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return keys


def _history(path: Path) -> History:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        # An installation of somebody else's: what is typed is kept for this session only.
        return InMemoryHistory()
    return FileHistory(str(path))


def _is_on(word: str) -> bool:
    if word not in {"on", "off"}:
        raise RunError(f"{word!r} is neither on nor off", remedy="Say on or off.")
    return word == "on"
