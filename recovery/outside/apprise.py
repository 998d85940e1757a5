"""The Apprise door: one service at a time, asked once, with the reason that Apprise tells only its log."""

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from recovery.model import DoorError
from recovery.outside.bounded import Bounded
from recovery.redact import MARK, redact_text

__all__ = ["Apprise"]

SHORTEST_SECRET = 5
LONGEST_REASON = 250
SPARE = 1.0  # seconds
CONNECTING = "Socket Exception"  # logged for debugging only, and the one place that says why nothing was reached
_STATUS = re.compile(r"error[=:]\s*(\d{3})\b")
_SIGNS = (
    ("timeout", re.compile(r"timed? ?out", re.IGNORECASE)),
    ("dns", re.compile(r"NameResolution|getaddrinfo|Name or service not known|resolve", re.IGNORECASE)),
    ("refused", re.compile(r"refused", re.IGNORECASE)),
    ("tls", re.compile(r"certificate|SSLError", re.IGNORECASE)),
    ("reset", re.compile(r"reset|aborted|RemoteDisconnected", re.IGNORECASE)),
)


class _Heard(logging.Handler):
    """What Apprise logs in the threads that asked it something; the others' lines are not mixed in."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: dict[int, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        heard = self.lines.get(threading.get_ident())
        if heard is not None and (record.levelno >= logging.WARNING or CONNECTING in str(record.msg)):
            heard.append(record.getMessage())

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        """The lines of this thread."""
        lines: list[str] = []
        self.lines[threading.get_ident()] = lines
        try:
            yield lines
        finally:
            self.lines.pop(threading.get_ident(), None)


_heard = _Heard()
_log = logging.getLogger("apprise")


class Apprise:
    """`settings` has timeout (seconds for one service)."""

    def __init__(self, settings: Any):
        self._settings = settings

    def send(self, url: str, title: str, body: str, tone: str, links: Sequence[str] = ()) -> str:
        """Hand one message over to the service that the URL names; the service's name.

        What is in title and body is shown as it is, whatever language the service has; `links` stay links.

        Raises:
            DoorError: it was not taken. After a timeout nobody knows whether it was.
        """
        if _heard not in _log.handlers:
            _log.handlers, _log.propagate = [_heard], False  # its lines may hold the URL
            _log.setLevel(logging.DEBUG)
        scheme = url.partition("://")[0]
        seconds = float(self._settings.timeout) + SPARE
        taken, name, lines = Bounded().call(scheme, lambda: self._send(url, title, body, tone, links), seconds)
        if taken:
            return str(name)
        raise _refusal(name or scheme, name is not None, lines, _secrets_of(url))

    def _send(
        self, url: str, title: str, body: str, tone: str, links: Sequence[str]
    ) -> tuple[bool, str | None, list[str]]:
        import apprise  # it loads a hundred services, which nobody waits for who does not use it

        with _heard.listening() as lines:
            asset = apprise.AppriseAsset(app_id="n8n-medic", app_desc="n8n-medic", image_url_mask="", async_mode=False)
            service: Any = apprise.Apprise.instantiate(url, asset=asset)
            if service is None:
                return False, None, list(lines)
            service.socket_connect_timeout = service.socket_read_timeout = float(self._settings.timeout) / 2
            if "overflow=" not in url:
                service.overflow_mode = apprise.OverflowMode.TRUNCATE  # one message that is cut beats none
            taken = service.notify(**_written(service, title, body, links), notify_type=apprise.NotifyType(tone))
            return bool(taken), str(service.service_name), list(lines)


def _written(service: Any, title: str, body: str, links: Sequence[str]) -> dict[str, Any]:
    """Title and body as the service is to be given them. Of plain text Apprise itself would make Markdown in which
    each dot of a link is escaped, and so no link."""
    from apprise import NotifyFormat
    from apprise.conversion import text_to_markdown

    if service.resolve_format(NotifyFormat.TEXT) != NotifyFormat.MARKDOWN:
        return {"title": title, "body": body, "body_format": NotifyFormat.TEXT}
    kept = {text_to_markdown(link): f"<{link}>" for link in sorted(links, key=len, reverse=True)}
    escaped = text_to_markdown(body)
    if kept:
        escaped = re.sub("|".join(map(re.escape, kept)), lambda found: kept[found[0]], escaped)
    head = text_to_markdown(title) if service.title_maxlen <= 0 else title  # else it is no part of the Markdown
    return {"title": head, "body": escaped, "body_format": NotifyFormat.MARKDOWN}


def _refusal(name: str, is_known: bool, lines: list[str], secrets: list[str]) -> DoorError:
    reasons = [line for line in lines if CONNECTING not in line]
    told = " ".join("; ".join(dict.fromkeys(reasons)).split())
    for secret in secrets:
        told = told.replace(secret, MARK)
    why = redact_text(f"{name}: {told or 'not taken, for a reason that it does not tell'}")[:LONGEST_REASON]
    if not is_known:
        return DoorError(f"{why} (this URL names no service that can be used)", "client", permanent=True)
    return DoorError(why, *_kind(" ".join(lines)))


def _kind(said: str) -> tuple[str, bool]:
    found = _STATUS.search(said)
    status = int(found[1]) if found else 0
    if status == 429:
        return "rate_limited", False
    if status in (401, 403, 407):
        return "auth", True
    if status >= 500 or status in (408, 425):
        return "status", False
    if status >= 300:
        return "client", True
    return next((kind for kind, sign in _SIGNS if sign.search(said)), "network"), False


def _secrets_of(url: str) -> list[str]:
    """Every part of the URL that is long enough to be told from a word; a service's host is one of them."""
    parts = [url, *re.split(r"[/:@?&=+,]+", url.partition("://")[2])]
    return sorted((part for part in parts if len(part) >= SHORTEST_SECRET), key=len, reverse=True)
