"""The shell answers, completes, explains what there is, and changes nothing."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from ingest.settings import Settings
from orchestration import reader, shell
from tests.built import Home
from tests.orchestration.conftest import Outcome


@pytest.fixture(scope="module")
def release(built: Home) -> Path:
    return reader.current_dir(built.settings)


@pytest.fixture
def session(release: Path) -> Iterator[tuple[shell.Shell, io.StringIO]]:
    text = io.StringIO()
    with reader.open_release(release) as connection:
        yield shell.Shell(connection, Console(file=text, width=200, highlight=False)), text


def typed(release: Path, settings: Settings, keys: str, later: str = "") -> str:
    """What the shell shows for keys typed into a terminal; `later` is typed after a moment."""
    shown = io.StringIO()
    with create_pipe_input() as pipe:
        pipe.send_text(keys)
        if later:
            Timer(0.8, pipe.send_text, [later]).start()
        shell.run(settings, release, out=Console(file=shown, width=200), input_=pipe, output=DummyOutput())
    return shown.getvalue()


def completions(session: tuple[shell.Shell, io.StringIO], text: str, cursor: int | None = None) -> list[str]:
    completer = shell.SqlCompleter(session[0].names, session[0].commands)
    document = Document(text, len(text) if cursor is None else cursor)
    return [found.text for found in completer.get_completions(document, CompleteEvent())]


def test_a_statement_over_two_lines_is_answered_and_kept(release: Path, settings: Settings) -> None:
    shown = typed(
        release, settings, "select verdict\rfrom mart_policy_claim_check order by display_order limit 1;\r.quit\r"
    )
    assert "consistent_other_scope" in shown
    assert "1 row, " in shown
    history = settings.home / shell.HISTORY
    assert "+from mart_policy_claim_check" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_tab_completes_and_ctrl_d_leaves(release: Path, settings: Settings) -> None:
    shown = typed(release, settings, "select count(*) as n from mart_policy_claim_\t", ";\r\x04")
    assert "15" in shown


def test_ctrl_c_drops_what_was_typed(release: Path, settings: Settings) -> None:
    shown = typed(release, settings, "select 'dropped'\x03select 'kept' as word;\r\x04")
    assert "kept" in shown
    assert "dropped" not in shown


def test_nothing_can_be_changed_or_reached(session: tuple[shell.Shell, io.StringIO], tmp_path: Path) -> None:
    asked, text = session
    target = tmp_path / "out.csv"
    for sql in (
        "create table marts.x as select 1;",
        "delete from marts.mart_rnd_level;",
        f"copy (select 1) to '{target}';",
        "select * from read_csv('/etc/passwd');",
        "set enable_external_access = true;",
    ):
        text.truncate(0)
        asked.take(sql)
        assert "Error" in text.getvalue(), sql
        assert ".tables" in text.getvalue(), sql
    assert not target.exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (".help", (".describe", "real_growth(country, first_year, last_year)")),
        (".help coverage", ("coverage_share",)),
        (".tables", ("marts.mart_rnd_level",)),
        (".tables vocabulary", ("vocabulary.definition",)),
        (".describe mart_rnd_level", ("Key: country_iso3", "Licences: ", "oecd_anberd", "rnd_usd_ppp_2015")),
        (".describe mart_rnd_level", ("gdp_share, international_statistics",)),
        (".describe facts.claim", ("statement_en",)),
        # A table without rows, and one whose unit is another in each row.
        (".describe facts.trial", ("Rows: 0",)),
        (".describe mart_sales_by_origin", ("see currency",)),
        (".example mart_rnd_growth", ("from mart_rnd_growth",)),
        (".from mart_market_biologic_share.sales_jpy", ("mhlw_ndb", "薬価", "sales_observation.value")),
        (".from mart_rnd_level", ("OBS_VALUE",)),
        (".search 薬価", ("publisher_column", "mhlw_nhi_price")),
        (".sources", ("oecd_anberd",)),
        (".describe nothing", ("there is no table 'nothing'", ".tables")),
        (".nothing", ("there is no command .nothing", ".help")),
        (".rows many", ("no number of rows", ".rows 50")),
        (".mode pdf", ("no mode 'pdf'", "markdown")),
        (".timer maybe", ("neither on nor off",)),
        ("selekt 1;", ("syntax error", ".describe")),
        (";", ()),
        ("-- a remark and nothing else;", ()),
    ],
)
def test_commands(session: tuple[shell.Shell, io.StringIO], command: str, words: tuple[str, ...]) -> None:
    asked, text = session
    asked.take(command)
    assert bool(text.getvalue()) == bool(words)
    for word in words:
        assert word in text.getvalue()


def test_forms_rows_and_timer(session: tuple[shell.Shell, io.StringIO], capsys: pytest.CaptureFixture[str]) -> None:
    asked, text = session
    for command in (".rows 2", ".timer off", "select * from range(5) as t(n);"):
        asked.take(command)
    assert "first 2 rows (all: .rows 0)" in text.getvalue()
    assert " s\n" not in text.getvalue()
    asked.take(".mode csv")
    asked.take(".rows 0")
    asked.take("select 1.5 as a, 'x,y' as b;")
    assert capsys.readouterr().out == 'a,b\n1.5,"x,y"\n'


def test_completion_knows_where_it_stands(session: tuple[shell.Shell, io.StringIO]) -> None:
    assert completions(session, "select * from mart_rnd")[:2] == ["mart_rnd_growth", "mart_rnd_level"]
    assert "facts.claim" in completions(session, "select * from facts.cl")
    assert "search(" in completions(session, "from sea")
    alone = completions(session, "select share_ from mart_market_biologic_share", cursor=len("select share_"))
    assert alone[:2] == ["share_sales", "share_sales_high"]
    assert "share_gdp" not in alone
    aliased = "select l. from mart_rnd_level as l"
    assert "l.rnd_usd_ppp" in completions(session, aliased, cursor=len("select l."))
    assert "rnd_usd_ppp" in completions(session, "select rnd_usd")
    assert "select" in completions(session, "sel")
    assert completions(session, ".desc") == [".describe"]
    assert "mart_rnd_level" in completions(session, ".describe mart_rnd")
    assert completions(session, ".mode j") == ["json"]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("select 1;", True),
        ("select 1", False),
        (".help", True),
        ("", True),
        ("select ';", False),
        ("select ';'", False),
        ("select ';' ;", True),
        ('select "a;', False),
        ("select 1; -- a remark", True),
        ("select 1 -- ;", False),
        ("select 1 /* ; */", False),
        ("/* ;", False),
    ],
)
def test_when_a_statement_is_whole(text: str, whole: bool) -> None:
    assert shell.is_whole(text) is whole


@hypothesis_settings(max_examples=30, deadline=None)
@given(st.text(max_size=40))
def test_a_quoted_text_never_ends_a_statement(text: str) -> None:
    quoted = "select '" + text.replace("'", "''") + "'"
    assert not shell.is_whole(quoted)
    assert shell.is_whole(quoted + ";")


def test_without_a_terminal_it_says_what_to_do(built: Home, biopharma: Callable[..., Outcome]) -> None:
    called = biopharma(built.settings, "shell")
    assert called.code == 1
    assert "biopharma query" in called.err


def test_history_that_cannot_be_written_is_no_error(release: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert "kept" in typed(release, Settings(home=blocked), "select 'kept' as word;\r\x04")
