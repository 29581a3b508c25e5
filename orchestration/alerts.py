"""Alerts: what somebody should hear of, to the log, by e-mail and to a webhook.

Channels are set in the environment: BIOPHARMA_ALERT_WEBHOOK is an address that takes JSON with a `text` (as Slack and
Mattermost do); BIOPHARMA_ALERT_EMAIL is one or several addresses with commas, with BIOPHARMA_SMTP_HOST (default:
localhost), BIOPHARMA_SMTP_PORT (25), BIOPHARMA_SMTP_SECURITY (none, starttls, tls; with a user name starttls is the
default), BIOPHARMA_SMTP_USER, BIOPHARMA_SMTP_PASSWORD and BIOPHARMA_ALERT_FROM. Every alert is in the log as well.
"""

from __future__ import annotations

import logging
import os
import smtplib
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from email.message import EmailMessage
from functools import partial

import httpx

from ingest.errors import SettingsError
from orchestration.errors import RunError

LOG = logging.getLogger("biopharma.alerts")
_TIMEOUT_SECONDS = 20.0
_SECURITY = ("none", "starttls", "tls")
_MOST_CHECKS = 20


@dataclass(frozen=True)
class Check:
    """An asset check that did not hold: its table, its name, whether it blocks, and what was seen."""

    asset: str
    name: str
    blocks: bool
    seen: str = ""


@dataclass(frozen=True)
class Alert:
    """What happened (one line), in words (some lines), the run and where it is shown."""

    title: str
    text: str
    run_id: str
    job: str
    url: str | None = None
    checks: Sequence[Check] = ()

    @property
    def body(self) -> str:
        """The alert as plain text."""
        lines = [self.title, "", self.text]
        lines += [
            f"- {check.asset}: {check.name}{' (blocks)' if check.blocks else ''}"
            f"{f': {check.seen}' if check.seen else ''}"
            for check in self.checks[:_MOST_CHECKS]
        ]
        if len(self.checks) > _MOST_CHECKS:
            lines.append(f"- and {len(self.checks) - _MOST_CHECKS} more")
        lines += ["", f"Run {self.run_id} of job {self.job}"]
        if self.url:
            lines.append(self.url)
        return "\n".join(lines)


@dataclass(frozen=True)
class Smtp:
    """How e-mail is sent; the password is in no text that is shown."""

    host: str
    port: int
    security: str
    user: str | None
    sender: str
    recipients: tuple[str, ...]
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Channels:
    """Where alerts go beside the log."""

    webhook: str | None = field(default=None, repr=False)
    smtp: Smtp | None = None


def channels(environment: Mapping[str, str] | None = None) -> Channels:
    """Channels that the environment names; raises SettingsError for a setting that cannot be."""
    env = os.environ if environment is None else environment
    webhook = env.get("BIOPHARMA_ALERT_WEBHOOK") or None
    if webhook and not webhook.startswith(("https://", "http://")):
        raise SettingsError("BIOPHARMA_ALERT_WEBHOOK is no web address", remedy="Set it to an https address.")
    recipients = tuple(filter(None, (part.strip() for part in env.get("BIOPHARMA_ALERT_EMAIL", "").split(","))))
    if not recipients:
        return Channels(webhook)
    user = env.get("BIOPHARMA_SMTP_USER") or None
    security = env.get("BIOPHARMA_SMTP_SECURITY") or ("starttls" if user else "none")
    if security not in _SECURITY:
        raise SettingsError(
            f"BIOPHARMA_SMTP_SECURITY is {security!r}",
            remedy=f"Set it to one of {', '.join(_SECURITY)}, or unset it.",
        )
    port = env.get("BIOPHARMA_SMTP_PORT") or {"none": "25", "starttls": "587", "tls": "465"}[security]
    if not port.isdigit():
        raise SettingsError(f"BIOPHARMA_SMTP_PORT is {port!r}", remedy="Set it to a number, or unset it.")
    smtp = Smtp(
        host=env.get("BIOPHARMA_SMTP_HOST") or "localhost",
        port=int(port),
        security=security,
        user=user,
        password=env.get("BIOPHARMA_SMTP_PASSWORD") or None,
        sender=env.get("BIOPHARMA_ALERT_FROM") or recipients[0],
        recipients=recipients,
    )
    return Channels(webhook, smtp)


def send(alert: Alert, to: Channels) -> list[str]:
    """Tell everybody; returns where it was told. One channel that fails does not keep the others from being used.

    Raises RunError, after all channels were tried, with those that failed.
    """
    LOG.error("%s", alert.body)
    told, failed = ["log"], []
    ways: dict[str, Callable[[], None]] = {}
    if to.webhook:
        ways["webhook"] = partial(_post, alert, to.webhook)
    if to.smtp:
        ways["e-mail"] = partial(_mail, alert, to.smtp)
    for name, tell in ways.items():
        try:
            tell()
            told.append(name)
        except (OSError, smtplib.SMTPException, httpx.HTTPError) as error:
            # The text of an HTTP error holds the address, which may hold a secret.
            said = type(error).__name__ if isinstance(error, httpx.HTTPError) else f"{type(error).__name__}: {error}"
            if isinstance(error, httpx.HTTPStatusError):
                said = f"the address answered with status {error.response.status_code}"
            failed.append(f"{name} ({said})")
    if failed:
        raise RunError(
            f"an alert ({alert.title}) could not be sent by {' and '.join(failed)}",
            remedy="Check the settings of the alert channels (docs/operations.md); the alert is in the log.",
        )
    return told


def newly_failed(now: Iterable[Check], failed_before: Iterable[tuple[str, str]]) -> list[Check]:
    """The checks that did not hold now and did before: what was known yesterday is no news."""
    known = set(failed_before)
    return [check for check in now if (check.asset, check.name) not in known]


def _post(alert: Alert, address: str) -> None:
    content = {**asdict(alert), "checks": [asdict(check) for check in alert.checks], "text": alert.body}
    httpx.post(address, json=content, timeout=_TIMEOUT_SECONDS, follow_redirects=False).raise_for_status()


def _mail(alert: Alert, smtp: Smtp) -> None:
    message = EmailMessage()
    message["Subject"] = f"[biopharma] {' '.join(alert.title.split())}"
    message["From"] = smtp.sender
    message["To"] = ", ".join(smtp.recipients)
    message.set_content(alert.body)
    context = ssl.create_default_context()
    server: smtplib.SMTP
    if smtp.security == "tls":
        server = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=_TIMEOUT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(smtp.host, smtp.port, timeout=_TIMEOUT_SECONDS)
    with server:
        if smtp.security == "starttls":
            server.starttls(context=context)
        if smtp.user:
            server.login(smtp.user, smtp.password or "")
        server.send_message(message)
