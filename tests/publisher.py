"""A local HTTP server that plays publishers: recorded bytes at real paths, and publishers' moods."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Answer:
    """One answer of a publisher."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    resumable: bool = False
    drop_after: int | None = None
    trickle_seconds: float = 0.0


@dataclass(frozen=True)
class Seen:
    """One request as the publisher saw it."""

    host: str
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]


Answerer = Callable[[Seen], Answer]


class Publisher:
    """Plays any number of hosts on one loopback port; unknown addresses get 404."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], list[Answer | Answerer]] = defaultdict(list)
        self.seen: list[Seen] = []
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                publisher._respond(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> str:
        """Base address on the loopback interface."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def routes(self, *hosts: str) -> dict[str, str]:
        """Routes that send the given hosts' requests here."""
        return dict.fromkeys(hosts, self.address)

    def serve(self, host: str, path: str, *answers: Answer | Answerer) -> None:
        """Answer requests for a path in the given order; the last answer is repeated."""
        self._answers[host, path].extend(answers)

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _respond(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        host = handler.headers.get("X-Original-Host", "")
        seen = Seen(
            host, parts.path, dict(parse_qsl(parts.query)), {k.lower(): v for k, v in handler.headers.items()}
        )
        self.seen.append(seen)
        answers = self._answers.get((host, parts.path))
        if not answers:
            answer = Answer(b"not found", status=404)
        else:
            chosen = answers.pop(0) if len(answers) > 1 else answers[0]
            answer = chosen(seen) if callable(chosen) else chosen
        self._send(handler, answer, seen)

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, answer: Answer, seen: Seen) -> None:
        status, body = answer.status, answer.body
        headers = dict(answer.headers)
        if answer.etag:
            headers["ETag"] = answer.etag
            if seen.headers.get("if-none-match") == answer.etag:
                status, body = 304, b""
        if answer.resumable:
            headers["Accept-Ranges"] = "bytes"
            if "range" in seen.headers:
                start = int(seen.headers["range"].removeprefix("bytes=").split("-")[0])
                status, headers["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
                body = body[start:]
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        try:
            if answer.drop_after is not None:
                handler.wfile.write(body[: answer.drop_after])
                handler.wfile.flush()
                handler.close_connection = True
                handler.connection.close()
            elif answer.trickle_seconds:
                for byte in body:
                    handler.wfile.write(bytes([byte]))
                    handler.wfile.flush()
                    time.sleep(answer.trickle_seconds)
            else:
                handler.wfile.write(body)
        except OSError:
            handler.close_connection = True
