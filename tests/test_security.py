"""Promises of docs/security.md that no other test holds: no traffic, loopback only, no secret, audited packages."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from ingest.archive import sha256_of
from ingest.errors import IngestError
from ingest.settings import PROJECT_ROOT
from ingest.source import SourceFile, get
from tests.built import Home
from tests.network import NoNetworkError, guard_of_processes, guarded

DOCUMENT = (PROJECT_ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_the_guard_notices() -> None:
    with guarded() as attempts:
        with pytest.raises(OSError, match=r"example\.org"):
            urllib.request.urlopen("http://example.org", timeout=1)
        with pytest.raises(NoNetworkError):
            socket.create_connection(("192.0.2.1", 80), timeout=1)
    assert len(attempts) == 2


def test_the_guard_of_other_processes_notices(tmp_path: Path) -> None:
    environment, journal = guard_of_processes(tmp_path)
    code = "import urllib.request; urllib.request.urlopen('http://example.org', timeout=1)"
    child = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {code!r}]).returncode)"
    done = subprocess.run(
        [sys.executable, "-c", child], env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, check=False
    )
    assert done.returncode == 1
    lines = journal.read_text().splitlines()
    assert len([line for line in lines if line.startswith("guarded ")]) == 2
    assert [line for line in lines if line.startswith("attempt ")] == ["attempt example.org"]


def test_a_whole_run_reaches_no_other_machine(built: Home) -> None:
    assert built.report.release_id == "0001"
    assert built.reached == ()


def test_every_test_that_the_document_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", DOCUMENT)
    assert len(named) >= 15
    for path, name in named:
        assert re.search(rf"^def {name}\(", (PROJECT_ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name


@pytest.mark.parametrize("code", ["fda_spl", "sec_ixbrl"])
def test_xml_entities_are_not_resolved(code: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret of this machine")
    name = {"fda_spl": "spl_00000000-0000-0000-0000-000000000000.xml", "sec_ixbrl": "abbv-20241231.htm"}[code]
    root = {"fda_spl": "document xmlns='urn:hl7-org:v3'", "sec_ixbrl": "html xmlns='http://www.w3.org/1999/xhtml'"}[
        code
    ]
    path = tmp_path / name
    path.write_text(
        f"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM '{secret.as_uri()}'>]>"
        f"<{root}><title>&e;</title>{'<p>a</p>' * 2000}</{root.split()[0]}>"
    )
    file = SourceFile(path=path, name=name, sha256=sha256_of(path))
    with guarded() as attempts:
        try:
            parsed = get(code).parse([file])
        except IngestError as error:
            read = error.text
        else:
            read = str([frame.rows() for frame in parsed.tables.values()])
    assert "a secret" not in read
    assert attempts == []


def test_every_reader_of_xml_refuses_entities() -> None:
    for path in (PROJECT_ROOT / "ingest").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count("XMLParser(") == text.count(
            "XMLParser(resolve_entities=False, no_network=True, load_dtd=False"
        )
        if "etree.parse(" in text or "etree.fromstring(" in text:
            assert "XMLParser(" in text or 'HTMLParser(encoding="utf-8", no_network=True)' in text, path


def test_servers_bind_to_loopback() -> None:
    code = [*(PROJECT_ROOT / "orchestration").rglob("*.py")]
    assert not [path for path in code if "0.0.0.0" in path.read_text(encoding="utf-8")]


def test_release_and_history_hold_no_secret(built: Home) -> None:
    """Variables that name a key, a token or a password are never written down."""
    files = [path for path in built.settings.home.rglob("*") if path.suffix in {".json", ".md", ".yaml", ".html"}]
    assert files
    for path in files:
        assert not re.search(
            r"(?i)(api[_-]?key|token|password)\"?\s*[:=]\s*\"?[\w-]{12,}", path.read_text(errors="replace")
        )


@pytest.mark.parametrize(("name", "least"), [("requirements.lock", 100), ("requirements-spark.lock", 50)])
def test_lock_pins_hashes_and_no_address(name: str, least: int) -> None:
    lock = (PROJECT_ROOT / name).read_text(encoding="utf-8")
    entries = re.findall(r"^[\w.\[\]-]+==(?:[^\n]*\\\n)*[^\n]*", lock, re.MULTILINE)
    assert len(entries) > least
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in lock


def test_no_known_vulnerability_in_the_lock() -> None:
    """Needs pip-audit and its database; without network the database cannot be had."""
    tool = Path(sys.executable).with_name("pip-audit")
    if not tool.exists():
        pytest.skip("pip-audit is not installed; install it in an environment of its own and run it on the lock")
    done = subprocess.run(
        [tool, "--requirement", str(PROJECT_ROOT / "requirements.lock"), "--require-hashes", "--disable-pip"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if "ConnectionError" in done.stderr or "Max retries" in done.stderr:
        pytest.skip("the database of vulnerabilities cannot be reached")
    assert done.returncode == 0, done.stdout
