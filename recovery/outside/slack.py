"""The Slack door: Slack's own client, asked once and never for long."""

import logging
import math
import socket
import ssl
from typing import Any
from urllib.error import URLError

from pydantic import SecretStr
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from recovery.model import DoorError
from recovery.outside.bounded import Bounded
from recovery.outside.trust import trust_in
from recovery.redact import redact_text

__all__ = ["Slack", "SlackRefusal"]

SPARE = 2.0  # seconds beyond the client's own timeout, which a server that drips never meets
LOGIN = frozenset(
    "invalid_auth not_authed account_inactive token_revoked token_expired no_permission missing_scope access_denied"
    " org_login_required ekm_access_denied team_access_not_granted not_allowed_token_type".split()
)
LIMITED = frozenset("ratelimited rate_limited message_limit_exceeded".split())
PASSING = frozenset("internal_error fatal_error service_unavailable request_timeout team_added_to_org".split())

# The client logs what it sends, and every error once more.
_silent = logging.getLogger("medic.slack_client")
_silent.setLevel(logging.CRITICAL)


class SlackRefusal(DoorError):
    """Slack answered, and did not do it. `said` is its own word for why, such as "channel_not_found"."""

    said = ""


class Slack:
    """One workspace: `settings` has bot_token, api_base ("" or None for Slack's own) and timeout (seconds)."""

    def __init__(self, settings: Any):
        self._settings = settings

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method of Slack's Web API once; its answer.

        Raises:
            SlackRefusal: Slack did not do it.
            DoorError: Slack was not reached. After a timeout nobody knows whether it did it.
        """
        seconds = float(self._settings.timeout)
        try:
            answer = Bounded().call("Slack", lambda: self._client().api_call(method, json=arguments), seconds + SPARE)
        except SlackApiError as error:
            raise _refusal(error, method) from None
        except (SlackClientError, URLError, OSError, ValueError) as error:
            raise _unreached(error) from None
        return dict(answer.data) if isinstance(answer.data, dict) else {}

    def _client(self) -> WebClient:
        more = {"base_url": self._settings.api_base} if self._settings.api_base else {}
        return WebClient(
            token=_plain(self._settings.bot_token),
            timeout=math.ceil(self._settings.timeout),
            ssl=trust_in(),
            logger=_silent,
            retry_handlers=[],  # trying again belongs to the outbox
            **more,
        )


def _plain(value: SecretStr | str) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _refusal(error: SlackApiError, method: str) -> SlackRefusal:
    answer: Any = error.response
    status = int(getattr(answer, "status_code", 0) or 0)
    data = getattr(answer, "data", None)
    said = str(data.get("error") or "")[:60] if isinstance(data, dict) else ""
    more = str(data.get("needed") or "")[:60] if isinstance(data, dict) else ""
    why = redact_text(f"Slack answered {status} to {method}: {said or 'nothing that is known'}")
    refusal = SlackRefusal(f"{why} (needed: {more})" if more else why, *_kind(status, said), _wait(answer))
    refusal.said = said
    return refusal


def _kind(status: int, said: str) -> tuple[str, bool]:
    if status == 429 or said in LIMITED:
        return "rate_limited", False
    if status in (401, 403) or said in LOGIN:
        return "auth", True
    if status >= 500 or said in PASSING or not said.replace("_", "").isalnum():
        return "status", False
    return "client", True


def _wait(answer: Any) -> float | None:
    headers = {str(name).lower(): value for name, value in (getattr(answer, "headers", None) or {}).items()}
    try:
        seconds = float(headers.get("retry-after") or "")
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _unreached(error: Exception) -> DoorError:
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    if isinstance(cause, TimeoutError):
        return DoorError("Slack did not answer in time", "timeout")
    if isinstance(cause, ssl.SSLError):
        return DoorError("no trusted TLS connection to Slack", "tls")
    if isinstance(cause, socket.gaierror):
        return DoorError("the name of Slack cannot be resolved", "dns")
    if isinstance(cause, ConnectionRefusedError):
        return DoorError("Slack is not reachable: the connection is refused", "refused")
    if isinstance(cause, ConnectionError):
        return DoorError("Slack broke the connection off", "reset")
    if isinstance(cause, ValueError | SlackClientError):
        return DoorError("what answered does not speak like Slack", "status")
    return DoorError(f"Slack is not reachable: {type(cause).__name__}", "network")
