"""Fetching: one shared client for every publisher, from request to archive.

What is peculiar to a publisher stays in its folder: `source.yml` lists plain downloads, and where addresses must
be discovered, paged or keyed, `fetch.py` there has `requests(client) -> Iterable[Download]`. Everything else is
here: retries with back-off and jitter (honouring Retry-After, and only for what is worth retrying), conditional
requests, resumed downloads, limits on size, time and unpacking, politeness per host, and no redirect to a host
that the source does not list. A response is archived before it is parsed.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import stamina
import stamina.instrumentation

from ingest import gates
from ingest.archive import Archive, write_atomically
from ingest.errors import GateError, IngestError
from ingest.settings import Settings
from ingest.source import Source, SourceFile

USER_AGENT = "biopharma-warehouse/0.1 (+https://biopharma-warehouse.example)"
_LOG = logging.getLogger(__name__)
_INFLATION_FLOOR = 1 << 18
_MAX_INFLATION = 200
_RETRY_STATUS = {408, 425, 429, 500, 502, 503, 504}
_ATTEMPTS = 5
_LONGEST_WAIT = 120.0
# Stop a download that trickles: below this rate, averaged from its start, after the grace period.
_MIN_BYTES_PER_SECOND = 1_000
_GRACE_SECONDS = 20.0

# Retries are reported through logging; the library's default would print to standard output.
stamina.instrumentation.set_on_retry_hooks([stamina.instrumentation.LoggingOnRetryHook])

Progress = Callable[[str, int, int | None], None]


class FetchError(IngestError):
    """A publisher could not be reached, or answered with something that is no data."""


class AbsentError(FetchError):
    """The publisher answered 404: the file has moved or is not published yet."""


class _RetryableError(Exception):
    """A failure that another attempt may cure; `wait` is the publisher's Retry-After in seconds."""

    def __init__(self, text: str, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait


@dataclass(frozen=True)
class Download:
    """One file to fetch: the address, the name it is archived under, and how to ask for it.

    `group` joins the files of one edition; `published_on` is given where the publisher's page tells it.
    `secret_parameters` are added to the request and appear in no log, sidecar or error.
    `may_be_absent` marks a file that the publisher may not have published yet: where it answers 404, the file is
    left out with a note in the log.
    """

    url: str
    name: str
    group: str = "all"
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    published_on: date | None = None
    may_be_absent: bool = False


@dataclass(frozen=True)
class Fetched:
    """What fetching one file gave: the archived file, and whether its bytes are new to the archive."""

    download: Download
    file: SourceFile
    is_new: bool


class Client:
    """An HTTP client bound to one source: its politeness, its hosts, its limits.

    `routes` maps host names to other base addresses; tests use it to play publishers on the loopback interface.
    """

    def __init__(
        self,
        source: Source,
        *,
        routes: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.source = source
        self.policy = source.spec.fetch
        self._routes = dict(routes or {})
        self._progress = progress
        self._environment = os.environ if environment is None else environment
        self._last_request: dict[str, float] = {}
        self._fetched: dict[str, Path] = {}
        agent = self._environment.get("BIOPHARMA_USER_AGENT", USER_AGENT)
        self._http = httpx.Client(
            headers={"User-Agent": agent, "Accept-Encoding": "gzip, deflate"},
            timeout=httpx.Timeout(self.policy.timeout_seconds, connect=20.0),
            follow_redirects=False,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def key(self, name: str) -> str | None:
        """A secret from the environment, or None where the user has set none."""
        return self._environment.get(name) or None

    def option(self, name: str) -> str | None:
        """A setting from the environment that is no secret (how much to fetch, say), or None where it is unset."""
        return self._environment.get(name) or None

    def get_text(self, download: Download) -> str:
        """The body of a small page (a listing, a search answer) as text; it is not archived.

        A page that this client has just fetched into the archive is read there: a `requests` generator that yields a
        page and then looks in it for the next one asks the publisher for it once.
        """
        if known := self._fetched.get(_request_id(download)):
            return known.read_text(encoding="utf-8", errors="replace")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "page"
            self._download(download, path, {}, limit=50_000_000)
            return path.read_text(encoding="utf-8", errors="replace")

    def get_json(self, download: Download) -> Any:
        """The body of a small JSON answer; raises FetchError where it is none."""
        text = self.get_text(download)
        try:
            return json.loads(text)
        except ValueError as error:
            raise FetchError(
                f"the answer is no JSON ({error}): {text[:80]!r}",
                file=download.url,
                remedy="The publisher's service may be down or changed: try again later, or compare with its page.",
            ) from error

    def fetch(self, download: Download, archive: Archive, state: ConditionalState) -> Fetched:
        """Fetch one file into the archive, or find it unchanged there.

        Raises FetchError when the publisher cannot be reached or refuses, and GateError when the answer is not
        what the source expects; in neither case is anything archived.
        """
        known = state.headers_for(download, archive)
        with tempfile.TemporaryDirectory(dir=state.folder) as folder:
            path = Path(folder) / download.name
            answer = self._download(download, path, known, limit=self._limit(download.name))
            if answer.status_code == httpx.codes.NOT_MODIFIED:
                return self._kept(Fetched(download, state.archived(download, archive), is_new=False))
            gates.check(self.source.spec, SourceFile(path=path, name=download.name, sha256=""))
            published = download.published_on or _last_modified(answer)
            file, is_new = archive.put(
                self.source, path, url=download.url, published_on=published, fetched_at=datetime.now(UTC)
            )
        state.remember(download, answer, file)
        return self._kept(Fetched(download, file, is_new))

    def _kept(self, fetched: Fetched) -> Fetched:
        self._fetched[_request_id(fetched.download)] = fetched.file.path
        return fetched

    def _limit(self, name: str) -> int:
        return gates.gate_for(self.source.spec, name).max_bytes

    def _download(self, download: Download, path: Path, headers: Mapping[str, str], *, limit: int) -> httpx.Response:
        """Download with retries; a transfer that broke off is resumed where the publisher allows it."""

        def worth_retrying(error: Exception) -> bool | float:
            if isinstance(error, _RetryableError):
                return True if error.wait is None else min(error.wait, _LONGEST_WAIT)
            return isinstance(error, httpx.TransportError)

        try:
            for attempt in stamina.retry_context(
                on=worth_retrying,
                attempts=_ATTEMPTS,
                timeout=None,
                wait_initial=self.policy.backoff_seconds,
                wait_max=60.0,
                wait_jitter=self.policy.backoff_seconds,
            ):
                with attempt:
                    return self._once(download, path, headers, limit)
        except (_RetryableError, httpx.TransportError) as error:
            raise FetchError(
                f"the publisher could not be reached in {_ATTEMPTS} attempts ({type(error).__name__}: {error})",
                file=download.url,
                remedy="The last good edition stays in use; try again later.",
            ) from None
        raise AssertionError("unreachable: the loop returns or raises")

    def _once(self, download: Download, path: Path, headers: Mapping[str, str], limit: int) -> httpx.Response:
        resumed = path.stat().st_size if path.exists() else 0
        asked = {**self.policy.headers, **download.headers, **headers}
        if resumed:
            asked |= {"Range": f"bytes={resumed}-", "Accept-Encoding": "identity"}
        url = httpx.URL(download.url).copy_merge_params({**download.parameters, **download.secret_parameters})
        for _ in range(self.policy.max_redirects + 1):
            self._wait_for_turn(url.host)
            request = self._request(url, {**asked, **self._secret_headers(download, url)})
            response = self._http.send(request, stream=True)
            try:
                if response.has_redirect_location:
                    url = self._redirect(url, response, download)
                    continue
                self._refuse_errors(response, download)
                if response.status_code != httpx.codes.NOT_MODIFIED:
                    append = response.status_code == httpx.codes.PARTIAL_CONTENT and resumed > 0
                    self._receive(response, path, download, limit, append=append)
                return response
            finally:
                response.close()
        raise FetchError(
            f"more than {self.policy.max_redirects} redirects",
            file=download.url,
            remedy="Check the address on the publisher's page.",
        )

    def _secret_headers(self, download: Download, url: httpx.URL) -> Mapping[str, str]:
        # A key goes to the host it was meant for and to no other that a redirect may name.
        return download.secret_headers if url.host == httpx.URL(download.url).host else {}

    def _request(self, url: httpx.URL, headers: Mapping[str, str]) -> httpx.Request:
        host = url.host
        if host in self._routes:
            base = httpx.URL(self._routes[host])
            url = url.copy_with(scheme=base.scheme, host=base.host, port=base.port)
            headers = {**headers, "X-Original-Host": host}
        elif url.scheme != "https":
            raise FetchError(
                f"the address is not encrypted ({url.scheme})",
                file=str(url.copy_with(query=None)),
                remedy="Use the publisher's https address.",
            )
        return self._http.build_request("GET", url, headers=dict(headers))

    def _redirect(self, url: httpx.URL, response: httpx.Response, download: Download) -> httpx.URL:
        target = url.join(response.headers["location"])
        allowed = {httpx.URL(download.url).host, *self.policy.hosts}
        if target.host not in allowed:
            raise FetchError(
                f"the publisher redirects to {target.host}, which the source does not list",
                file=download.url,
                remedy="If that host is the publisher's, add it to fetch.hosts in source.yml.",
            )
        return target

    def _refuse_errors(self, response: httpx.Response, download: Download) -> None:
        code = response.status_code
        if code < httpx.codes.BAD_REQUEST:
            return
        if code in _RETRY_STATUS:
            raise _RetryableError(f"HTTP {code}", _retry_after(response))
        if code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _RetryableError("the publisher cannot resume")
        remedy = {
            401: "Set the publisher's key in the environment; source.yml names the variable.",
            403: "Set the publisher's key, or BIOPHARMA_USER_AGENT with a contact address, in the environment.",
            404: "The publisher has moved or not yet published the file: check its page.",
        }.get(code, "Check the publisher's page.")
        kind = AbsentError if code == httpx.codes.NOT_FOUND else FetchError
        raise kind(f"the publisher answered HTTP {code}", file=download.url, remedy=remedy)

    def _receive(self, response: httpx.Response, path: Path, download: Download, limit: int, *, append: bool) -> None:
        total = _content_length(response)
        if total is not None and total > limit:
            raise self._too_large(download, total, limit)
        started = time.monotonic()
        size = path.stat().st_size if append else 0
        try:
            with path.open("ab" if append else "wb") as stream:
                for chunk in response.iter_bytes():
                    stream.write(chunk)
                    size += len(chunk)
                    received = response.num_bytes_downloaded
                    if size > limit:
                        raise self._too_large(download, size, limit)
                    if size > _MAX_INFLATION * max(received, _INFLATION_FLOOR):
                        raise FetchError(
                            "the answer unpacks to far more than was sent",
                            file=download.url,
                            remedy="Refused as a possible bomb: check the address.",
                        )
                    self._refuse_trickle(received, started, download)
                    if self._progress:
                        self._progress(download.name, size, total)
        except httpx.TransportError:
            # What has arrived of an encoded body cannot be continued byte by byte: begin again.
            if response.headers.get("content-encoding") or response.headers.get("accept-ranges") != "bytes":
                path.unlink(missing_ok=True)
            raise
        except httpx.DecodingError as error:
            path.unlink(missing_ok=True)
            raise _RetryableError(f"the answer cannot be unpacked ({error})") from error

    def _refuse_trickle(self, received: int, started: float, download: Download) -> None:
        elapsed = time.monotonic() - started
        if elapsed > self.policy.total_seconds:
            raise FetchError(
                f"the download took longer than {self.policy.total_seconds:.0f} seconds",
                file=download.url,
                remedy="Try again later, or raise fetch.total_seconds in source.yml.",
            )
        grace = min(_GRACE_SECONDS, self.policy.timeout_seconds)
        if elapsed > grace and received / elapsed < _MIN_BYTES_PER_SECOND:
            raise FetchError(
                f"the publisher sends fewer than {_MIN_BYTES_PER_SECOND:,} bytes a second",
                file=download.url,
                remedy="Try again later.",
            )

    @staticmethod
    def _too_large(download: Download, size: int, limit: int) -> GateError:
        return GateError(
            f"the answer has more than {limit:,} bytes ({size:,} so far or announced)",
            file=download.url,
            remedy="Check that it is the right file; raise max_bytes in source.yml if it is.",
        )

    def _wait_for_turn(self, host: str) -> None:
        wait = self._last_request.get(host, -1e9) + self.policy.seconds_between_requests - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._last_request[host] = time.monotonic()


class ConditionalState:
    """What is remembered of earlier answers, so that unchanged files are not sent again (ETag, Last-Modified)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "http_state.json"
        self._state: dict[str, dict[str, str]] = {}
        if self._path.exists():
            try:
                self._state = json.loads(self._path.read_text(encoding="utf-8"))
            except ValueError:
                # Only a cache: without it the file is fetched whole, and the archive sees that it is the same.
                self._state = {}

    def headers_for(self, download: Download, archive: Archive) -> dict[str, str]:
        """Conditional headers for a download whose last bytes are still in the archive."""
        entry = self._state.get(_request_id(download))
        if not entry or archive.find(entry["sha256"]) is None:
            return {}
        headers = {}
        if "etag" in entry:
            headers["If-None-Match"] = entry["etag"]
        if "last_modified" in entry:
            headers["If-Modified-Since"] = entry["last_modified"]
        return headers

    def archived(self, download: Download, archive: Archive) -> SourceFile:
        """The archived file that an unchanged answer stands for."""
        entry = self._state[_request_id(download)]
        return archive.get(entry["source_code"], entry["sha256"])

    def remember(self, download: Download, response: httpx.Response, file: SourceFile) -> None:
        """Keep the validators of an answer; secret parameters are not part of the entry."""
        entry = {"sha256": file.sha256, "source_code": file.path.parent.parent.name}
        for name, header in (("etag", "etag"), ("last_modified", "last-modified")):
            if header in response.headers:
                entry[name] = response.headers[header]
        self._state[_request_id(download)] = entry
        write_atomically(self._path, json.dumps(self._state, indent=2, sort_keys=True).encode())


def fetch_source(
    settings: Settings,
    source: Source,
    *,
    routes: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[Fetched]:
    """Fetch all current files of a source into the archive; returns them in the order of the requests.

    Raises FetchError for a source that has nothing to fetch, and what :meth:`Client.fetch` raises.
    """
    archive = Archive(settings.archive)
    state = ConditionalState(settings.archive / source.code)
    with Client(source, routes=routes, progress=progress, environment=environment) as client:
        asked, fetched = 0, []
        # One after the other: a page that is fetched may tell what comes next.
        for download in source.downloads(client):
            asked += 1
            try:
                fetched.append(client.fetch(download, archive, state))
            except AbsentError:
                if not download.may_be_absent:
                    raise
                _LOG.warning("%s is not published yet (%s)", download.name, download.url)
        if not asked:
            raise FetchError(
                f"{source.code} has nothing to fetch",
                remedy="It is curated by hand; its rows come with the bundled edition.",
            )
        return fetched


def editions_of(fetched: Iterable[Fetched]) -> dict[str, list[Fetched]]:
    """Fetched files by edition group, in order of first appearance."""
    groups: dict[str, list[Fetched]] = {}
    for item in fetched:
        groups.setdefault(item.download.group, []).append(item)
    return groups


def _request_id(download: Download) -> str:
    """What tells one request from another; secret parameters are not part of it."""
    return str(httpx.URL(download.url).copy_merge_params(dict(download.parameters)))


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds from a Retry-After header, in either of its forms (RFC 9110, 10.2.3)."""
    value = response.headers.get("retry-after")
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return float(max(0.0, (moment - datetime.now(UTC)).total_seconds()))


def _last_modified(response: httpx.Response) -> date | None:
    value = response.headers.get("last-modified")
    try:
        return parsedate_to_datetime(value).date() if value else None
    except ValueError:
        return None


def _content_length(response: httpx.Response) -> int | None:
    value = response.headers.get("content-length")
    return int(value) if value and value.isdigit() else None
