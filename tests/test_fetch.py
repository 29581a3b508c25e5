from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from ingest import fetch
from ingest.errors import GateError, LayoutError
from ingest.fetch import Client, ConditionalState, Download, FetchError, editions_of, fetch_source
from ingest.lake import Edition, Lake
from ingest.load import load_archived
from ingest.settings import Settings
from ingest.source import Parsed, Source, SourceFile
from tests.factories import SOURCE_YML, synthetic_rows
from tests.publisher import Answer, Publisher

HOST = "data.publisher.example"
PATH = "/files/table.csv"
URL = f"https://{HOST}{PATH}"
BODY = b"country,value\n" + b"JPN,1\n" * 2000


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return make_source(tmp_path)


def make_source(tmp_path: Path, **policy: object) -> Source:
    spec = yaml.safe_load(SOURCE_YML.format(code="synthetic", redistribution="open", kind="publisher"))
    spec["files"][0]["max_bytes"] = 1_000_000
    spec["fetch"] = {
        "downloads": [{"url": URL, "name": "table.csv"}],
        "seconds_between_requests": 0,
        "backoff_seconds": 0.01,
        "timeout_seconds": 5,
        **policy,
    }
    folder = tmp_path / "sources" / "synthetic"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.yml").write_text(yaml.safe_dump(spec))
    return Source(folder)


def run(settings: Settings, source: Source, publisher: Publisher, *hosts: str) -> list[fetch.Fetched]:
    return fetch_source(settings, source, routes=publisher.routes(HOST, *hosts))


def test_the_answer_is_archived_as_sent(settings: Settings, source: Source, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(BODY, headers={"Last-Modified": "Fri, 02 Jan 2026 10:00:00 GMT"}))
    (item,) = run(settings, source, publisher)
    assert item.is_new
    assert item.file.path.read_bytes() == BODY
    assert item.file.url == URL
    assert item.file.published_on == date(2026, 1, 2)
    assert publisher.seen[0].headers["user-agent"] == fetch.USER_AGENT


def test_unchanged_files_are_not_sent_again(settings: Settings, source: Source, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(BODY, etag='"v1"'))
    run(settings, source, publisher)
    (again,) = run(settings, source, publisher)
    assert not again.is_new
    assert publisher.seen[1].headers["if-none-match"] == '"v1"'
    assert again.file.path.read_bytes() == BODY


def test_the_same_bytes_without_validators_make_no_new_edition(
    settings: Settings, source: Source, publisher: Publisher
) -> None:
    publisher.serve(HOST, PATH, Answer(BODY))
    run(settings, source, publisher)
    (again,) = run(settings, source, publisher)
    assert not again.is_new


def test_busy_publisher_is_asked_again(settings: Settings, source: Source, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(status=503), Answer(status=429), Answer(BODY))
    (item,) = run(settings, source, publisher)
    assert item.file.path.read_bytes() == BODY
    assert len(publisher.seen) == 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(form: str, settings: Settings, source: Source, publisher: Publisher) -> None:
    value = "1" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    publisher.serve(HOST, PATH, Answer(status=429, headers={"Retry-After": value}), Answer(BODY))
    started = datetime.now(UTC)
    run(settings, source, publisher)
    assert (datetime.now(UTC) - started).total_seconds() >= 0.9


def test_a_publisher_that_stays_away_is_a_named_error(
    settings: Settings, source: Source, publisher: Publisher
) -> None:
    publisher.serve(HOST, PATH, Answer(status=503))
    with pytest.raises(FetchError, match=r"5 attempts.*HTTP 503") as caught:
        run(settings, source, publisher)
    assert "last good edition" in caught.value.remedy
    assert not list(settings.archive.rglob("*.json"))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_another_attempt_cannot_cure_is_not_repeated(
    status: int, settings: Settings, source: Source, publisher: Publisher
) -> None:
    publisher.serve(HOST, PATH, Answer(status=status))
    with pytest.raises(FetchError, match=f"HTTP {status}"):
        run(settings, source, publisher)
    assert len(publisher.seen) == 1


def test_a_dropped_transfer_is_resumed(settings: Settings, source: Source, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(BODY, resumable=True, drop_after=5000), Answer(BODY, resumable=True))
    (item,) = run(settings, source, publisher)
    assert item.file.path.read_bytes() == BODY
    assert "range" in publisher.seen[1].headers


def test_a_dropped_transfer_begins_again_where_resuming_is_not_offered(
    settings: Settings, source: Source, publisher: Publisher
) -> None:
    publisher.serve(HOST, PATH, Answer(BODY, drop_after=5000), Answer(BODY))
    (item,) = run(settings, source, publisher)
    assert item.file.path.read_bytes() == BODY
    assert "range" not in publisher.seen[1].headers


def test_an_html_page_with_status_200_is_refused(settings: Settings, source: Source, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(b"<html><body>We are sorry, this service is unavailable.</body></html>"))
    with pytest.raises(GateError, match="HTML page, not data"):
        run(settings, source, publisher)
    assert not list(settings.archive.rglob("table.csv")) and not list(settings.archive.rglob("*.json"))


def test_redirect_to_an_unlisted_host_is_refused(settings: Settings, source: Source, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(status=302, headers={"Location": "https://evil.example/table.csv"}))
    with pytest.raises(FetchError, match=r"redirects to evil\.example"):
        run(settings, source, publisher, "evil.example")
    assert [seen.host for seen in publisher.seen] == [HOST]


def test_redirect_to_a_listed_host_is_followed(settings: Settings, tmp_path: Path, publisher: Publisher) -> None:
    source = make_source(tmp_path, hosts=["mirror.publisher.example"])
    publisher.serve(HOST, PATH, Answer(status=302, headers={"Location": "https://mirror.publisher.example/t.csv"}))
    publisher.serve("mirror.publisher.example", "/t.csv", Answer(BODY))
    (item,) = run(settings, source, publisher, "mirror.publisher.example")
    assert item.file.path.read_bytes() == BODY


def test_a_circle_of_redirects_ends(settings: Settings, source: Source, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(status=302, headers={"Location": URL}))
    with pytest.raises(FetchError, match="more than 5 redirects"):
        run(settings, source, publisher)


def test_unencrypted_addresses_are_refused(settings: Settings, tmp_path: Path, publisher: Publisher) -> None:
    source = make_source(tmp_path, downloads=[{"url": "http://plain.example/table.csv", "name": "table.csv"}])
    with pytest.raises(FetchError, match="not encrypted"):
        run(settings, source, publisher)


def test_a_file_above_the_limit_is_refused_before_and_while_it_comes(
    settings: Settings, source: Source, publisher: Publisher
) -> None:
    publisher.serve(HOST, PATH, Answer(b"x," * 600_000))
    with pytest.raises(GateError, match="more than 1,000,000 bytes"):
        run(settings, source, publisher)


def test_a_compression_bomb_in_transit_is_refused(settings: Settings, source: Source, publisher: Publisher) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    publisher.serve(HOST, PATH, Answer(bomb, headers={"Content-Encoding": "gzip"}))
    with pytest.raises((FetchError, GateError), match=r"unpacks to far more|more than 1,000,000 bytes"):
        run(settings, source, publisher)


def test_a_trickle_is_given_up(
    settings: Settings, tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_GRACE_SECONDS", 0.3)
    publisher.serve(HOST, PATH, Answer(BODY, trickle_seconds=0.02))
    with pytest.raises(FetchError, match="fewer than 1,000 bytes a second"):
        run(settings, make_source(tmp_path), publisher)


def test_requests_keep_their_distance(settings: Settings, tmp_path: Path, publisher: Publisher) -> None:
    downloads = [{"url": f"https://{HOST}/{n}.csv", "name": f"{n}.csv"} for n in range(3)]
    source = make_source(tmp_path, downloads=downloads, seconds_between_requests=0.2)
    for n in range(3):
        publisher.serve(HOST, f"/{n}.csv", Answer(BODY + b"%d" % n))
    started = datetime.now(UTC)
    run(settings, source, publisher)
    assert (datetime.now(UTC) - started).total_seconds() >= 0.4


def test_secrets_reach_the_publisher_and_nothing_else(
    settings: Settings, source: Source, publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.serve(HOST, PATH, Answer(BODY))
    download = Download(URL, "table.csv", secret_parameters={"key": "s3cret"}, secret_headers={"X-Api-Key": "s3cret"})
    with Client(source, routes=publisher.routes(HOST)) as client:
        state = ConditionalState(settings.archive / "synthetic")
        client.fetch(download, fetch.Archive(settings.archive), state)
    assert publisher.seen[0].parameters == {"key": "s3cret"}
    assert publisher.seen[0].headers["x-api-key"] == "s3cret"
    assert "s3cret" not in repr(download)
    written = b"".join(path.read_bytes() for path in settings.archive.rglob("*") if path.is_file())
    assert b"s3cret" not in written
    publisher.serve(HOST, "/gone", Answer(status=401))
    with Client(source, routes=publisher.routes(HOST)) as client, pytest.raises(FetchError) as caught:
        client.get_text(Download(f"https://{HOST}/gone", "x", secret_parameters={"key": "s3cret"}))
    assert "s3cret" not in str(caught.value)


def test_files_are_grouped_into_editions() -> None:
    items = [fetch.Fetched(Download(URL, name, group=group), None, True) for name, group in ["aA", "bB", "cA"]]  # type: ignore[arg-type]
    assert {group: [i.download.name for i in found] for group, found in editions_of(items).items()} == {
        "A": ["a", "c"],
        "B": ["b"],
    }


def test_a_file_that_may_be_absent_is_left_out_with_a_note(
    settings: Settings,
    source: Source,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher.serve(HOST, PATH, Answer(BODY))
    there = Download(URL, "table.csv")
    absent = Download(f"https://{HOST}/next.csv", "next.csv", may_be_absent=True)
    monkeypatch.setattr(Source, "downloads", lambda self, client: [there, absent])
    assert [item.download.name for item in run(settings, source, publisher)] == ["table.csv"]
    assert "next.csv is not published yet" in caplog.text
    # Only absence is excused.
    publisher.serve(HOST, "/next.csv", Answer(status=403))
    with pytest.raises(FetchError, match="HTTP 403"):
        run(settings, source, publisher)


# --- moods that only show against the last edition ----------------------------------------------------------------


def table(rows: int, header: str = "country,value") -> bytes:
    return (header + "\n" + "".join(f"C{n},{n}\n" for n in range(rows))).encode()


def first_two_columns(files: Sequence[SourceFile]) -> Parsed:
    """A parser that insists on two columns by name and lets others come and go."""
    frame = pl.read_csv(files[0].path)
    if not {"country", "value"} <= set(frame.columns):
        raise LayoutError(f"the header is {frame.columns}", file=files[0].name, row=1, remedy="Compare it.")
    template = synthetic_rows("rnd_observation").select("entity_kind", "lens", "activity_scheme", "activity_code")
    rest = ("entity_name", "criteria", "measure", "period_start", "period_end", "period_basis", "unit", "price_base")
    rows = frame.select(entity_code="country", value=pl.col("value").cast(pl.Float64)).join(
        template.hstack(synthetic_rows("rnd_observation").select(rest)), how="cross"
    )
    return Parsed(
        {"rnd_observation": rows.with_columns(file_sha256=pl.lit(files[0].sha256), locator=pl.lit("row"))},
        rows.height,
    )


def loaded(settings: Settings, source: Source, publisher: Publisher, *, accept_changes: bool = False) -> Edition:
    items = run(settings, source, publisher)
    return load_archived(settings, source, [item.file for item in items], accept_changes=accept_changes)


@pytest.fixture
def parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Source, "parse", property(lambda self: first_two_columns))


def test_a_json_error_with_status_200_is_refused(settings: Settings, source: Source, publisher: Publisher) -> None:
    publisher.serve(HOST, PATH, Answer(b'{"error": {"code": 99, "message": "quota exceeded for today"}}'))
    with pytest.raises(GateError, match=r"JSON answer, not csv: .*quota exceeded"):
        run(settings, source, publisher)
    assert not list(settings.archive.rglob("*.json"))


def test_a_file_that_lost_a_third_is_loaded_with_a_warning(
    settings: Settings, source: Source, publisher: Publisher, parsing: None
) -> None:
    publisher.serve(HOST, PATH, Answer(table(900)), Answer(table(600)))
    first, second = (loaded(settings, source, publisher) for _ in range(2))
    assert first.warnings == () and second.row_count == 600
    (warning,) = second.warnings
    assert warning.startswith("size: table.csv: the file has ") and "34% fewer" in warning
    # The record keeps it, also when the same bytes come again.
    assert loaded(settings, source, publisher).warnings == (warning,)
    assert next(e for e in Lake(settings.lake).editions() if e.edition_id == second.edition_id).warnings == (warning,)


def test_a_shrunk_file_goes_to_quarantine_until_somebody_accepts_it(
    settings: Settings, source: Source, publisher: Publisher, parsing: None
) -> None:
    publisher.serve(HOST, PATH, Answer(table(900)), Answer(table(90), etag='"short"'))
    before = loaded(settings, source, publisher)
    for _ in range(2):
        # The second time the publisher says that nothing has changed, and the file is still refused.
        with pytest.raises(GateError, match="92% fewer than the last edition's") as caught:
            loaded(settings, source, publisher)
        assert "--accept-changes" in caught.value.remedy
    assert Lake(settings.lake).editions() == [before]
    assert (next(settings.quarantine.rglob("reason.json")).parent / "table.csv").read_bytes() == table(90)
    accepted = loaded(settings, source, publisher, accept_changes=True)
    assert accepted.row_count == 90 and "92% fewer" in accepted.warnings[0]


def test_what_counts_as_shrunk_is_declared_by_the_source(
    settings: Settings, tmp_path: Path, publisher: Publisher, parsing: None
) -> None:
    source = make_source(tmp_path)
    path = source.folder / "source.yml"
    spec = yaml.safe_load(path.read_text())
    spec["files"][0]["shrink_blocks"] = 1
    path.write_text(yaml.safe_dump(spec))
    publisher.serve(HOST, PATH, Answer(table(900)), Answer(table(90)))
    assert [loaded(settings, Source(source.folder), publisher).row_count for _ in range(2)] == [900, 90]


@pytest.mark.parametrize("pinned", [False, True])
def test_a_changed_header_is_named_and_a_pinned_one_blocks(
    pinned: bool, settings: Settings, tmp_path: Path, publisher: Publisher, parsing: None
) -> None:
    source = make_source(tmp_path)
    path = source.folder / "source.yml"
    spec = yaml.safe_load(path.read_text())
    spec["files"][0]["pinned_header"] = pinned
    path.write_text(yaml.safe_dump(spec))
    changed = table(900, "country,value,status").replace(b"\nC", b",\nC").removesuffix(b"\n") + b",\n"
    publisher.serve(
        HOST, PATH, Answer(table(900, "country,value,flag")), Answer(changed.replace(b"status,", b"status"))
    )
    loaded(settings, Source(source.folder), publisher)
    if pinned:
        with pytest.raises(GateError, match="added 'status'; removed 'flag'"):
            loaded(settings, Source(source.folder), publisher)
        return
    (warning,) = loaded(settings, Source(source.folder), publisher).warnings
    assert (
        warning == "header: table.csv: the header has changed since the last edition: added 'status'; removed 'flag'"
    )


def test_a_renamed_column_stops_at_the_parser_by_name(
    settings: Settings, source: Source, publisher: Publisher, parsing: None
) -> None:
    publisher.serve(HOST, PATH, Answer(table(900)), Answer(table(900, "country,figure")))
    before = loaded(settings, source, publisher)
    with pytest.raises(LayoutError, match="figure"):
        loaded(settings, source, publisher)
    assert Lake(settings.lake).editions() == [before]
