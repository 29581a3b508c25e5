"""Alerts reach a mail server and a webhook on the loopback interface, and say what failed for the first time."""

from __future__ import annotations

import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dagster as dg
import pytest

from ingest.errors import SettingsError
from orchestration import alerts
from orchestration.defs.alerts import alert_sensors
from orchestration.errors import RunError


class MailServer(socketserver.ThreadingTCPServer):
    """As much SMTP as a client needs to hand over a message."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.messages: list[tuple[list[str], EmailMessage]] = []
        super().__init__(("127.0.0.1", 0), _Session)


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        self.say("220 here")
        recipients: list[str] = []
        while line := self.rfile.readline():
            word = line.decode().strip()
            if word.upper().startswith("RCPT"):
                recipients.append(word.partition("<")[2].rstrip(">"))
            if word.upper() == "DATA":
                self.say("354 go on")
                content = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    content += part
                self.server.messages.append((recipients, message_from_bytes(content, policy=policy.default)))
            self.say("221 bye" if word.upper() == "QUIT" else "250 ok")


class Hook(HTTPServer):
    """A webhook that keeps what it is sent and answers with a status."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Hooked)


class _Hooked(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def running(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    yield from running(MailServer())


@pytest.fixture
def hook() -> Iterator[Hook]:
    yield from running(Hook())


@pytest.fixture
def environment(mail: MailServer, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of both channels, also in the process's environment."""
    values = {
        "BIOPHARMA_ALERT_WEBHOOK": f"http://127.0.0.1:{hook.server_address[1]}/hook/s3cret",
        "BIOPHARMA_ALERT_EMAIL": "night@example.org, day@example.org",
        "BIOPHARMA_SMTP_HOST": "127.0.0.1",
        "BIOPHARMA_SMTP_PORT": str(mail.server_address[1]),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


ALERT = alerts.Alert(
    title="warehouse failed",
    text="release: the disk is full",
    run_id="r1",
    job="warehouse",
    url="http://127.0.0.1:3000/runs/r1",
    checks=[alerts.Check("marts.mart_x", "rows", True, "0")],
)


def test_one_alert_reaches_log_mail_and_webhook(
    environment: dict[str, str], mail: MailServer, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="biopharma.alerts"):
        assert alerts.send(ALERT, alerts.channels(environment)) == ["log", "webhook", "e-mail"]
    ((recipients, message),) = mail.messages
    assert recipients == ["night@example.org", "day@example.org"]
    assert message["Subject"] == "[biopharma] warehouse failed"
    (body,) = hook.bodies
    for text in (caplog.text, message.get_content(), body["text"]):
        assert "the disk is full" in text
        assert "marts.mart_x: rows (blocks): 0" in text
        assert "http://127.0.0.1:3000/runs/r1" in text
    assert body["checks"] == [{"asset": "marts.mart_x", "name": "rows", "blocks": True, "seen": "0"}]


def test_a_channel_that_fails_does_not_keep_the_other_from_telling(
    environment: dict[str, str], mail: MailServer, hook: Hook
) -> None:
    hook.status = 500
    with pytest.raises(RunError, match=r"webhook \(the address answered with status 500\)") as caught:
        alerts.send(ALERT, alerts.channels(environment))
    assert "s3cret" not in caught.value.text
    assert len(mail.messages) == 1
    mail.shutdown()
    mail.server_close()
    hook.status = 200
    with pytest.raises(RunError, match=r"by e-mail \(ConnectionRefusedError"):
        alerts.send(ALERT, alerts.channels(environment))
    assert len(hook.bodies) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BIOPHARMA_ALERT_WEBHOOK", "file:///etc/passwd"),
        ("BIOPHARMA_SMTP_PORT", "mail"),
        ("BIOPHARMA_SMTP_SECURITY", "some"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(environment: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        alerts.channels({**environment, name: value})


def test_channels_are_those_of_the_environment_and_show_no_secret() -> None:
    assert alerts.channels({}) == alerts.Channels()
    found = alerts.channels(
        {
            "BIOPHARMA_ALERT_EMAIL": "a@example.org",
            "BIOPHARMA_SMTP_USER": "u",
            "BIOPHARMA_SMTP_PASSWORD": "s3cret",
            "BIOPHARMA_ALERT_WEBHOOK": "https://example.org/s3cret",
        }
    )
    assert found.smtp is not None
    assert (found.smtp.security, found.smtp.port, found.smtp.sender) == ("starttls", 587, "a@example.org")
    assert "s3cret" not in repr(found)


holds = True


@dg.asset(key=["marts", "mart_x"], check_specs=[dg.AssetCheckSpec("rows", asset=dg.AssetKey(["marts", "mart_x"]))])
def mart_x() -> dg.MaterializeResult:
    check = dg.AssetCheckResult(passed=holds, severity=dg.AssetCheckSeverity.WARN, metadata={"observed_value": 0})
    return dg.MaterializeResult(check_results=[check])


@dg.asset
def broken() -> None:
    raise dg.Failure(description="the disk is full")


def test_sensors_tell_of_failed_runs_and_of_checks_that_begin_to_fail(
    environment: dict[str, str], hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIOPHARMA_UI_URL", "http://127.0.0.1:3000/")
    run_failed, check_failed = alert_sensors(dg.DefaultSensorStatus.STOPPED)
    with dg.DagsterInstance.ephemeral() as instance:

        def after(outcome: bool) -> str | None:
            monkeypatch.setitem(globals(), "holds", outcome)
            result = dg.materialize([mart_x], instance=instance)
            context = dg.build_run_status_sensor_context(
                sensor_name="alert_check_failed",
                dagster_event=result.get_run_success_event(),
                dagster_instance=instance,
                dagster_run=result.dagster_run,
            )
            return check_failed(context).skip_message

        assert after(True) == "0 checks did not hold, none of them for the first time."
        assert after(False) == "Told: log, webhook, e-mail."
        assert after(False) == "1 checks did not hold, none of them for the first time."
        assert after(True) is not None
        assert after(False) == "Told: log, webhook, e-mail."
        assert [body["title"] for body in hook.bodies] == [
            "1 checks no longer hold after __ephemeral_asset_job__"
        ] * 2
        result = dg.materialize([broken], instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="alert_run_failed",
            dagster_event=result.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
        ).for_run_failure()
        assert run_failed(context).skip_message == "Told: log, webhook, e-mail."
    assert "broken: the disk is full" in hook.bodies[-1]["text"]
    assert f"http://127.0.0.1:3000/runs/{result.run_id}" in hook.bodies[-1]["text"]
