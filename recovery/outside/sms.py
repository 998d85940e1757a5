"""The SMS door: Twilio's client, asked once and never for long."""

import math
from typing import Any

import requests
from pydantic import SecretStr
from twilio.base.exceptions import TwilioException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from recovery.model import DoorError
from recovery.outside.bounded import Bounded

SPARE = 2.0  # seconds beyond the client's own timeout, which a server that drips never meets


class _Http(TwilioHttpClient):
    """Twilio's HTTP client; it remembers what a busy Twilio asks us to wait."""

    retry_after_seconds: float | None = None

    def request(self, *args: Any, **kwargs: Any) -> Response:
        response = super().request(*args, **kwargs)
        self.retry_after_seconds = _seconds((response.headers or {}).get("Retry-After"))
        return response


class Sms:
    """One Twilio account: `settings` has account_sid, auth_token, sender, api_base and timeout (seconds)."""

    def __init__(self, settings: Any):
        self._settings = settings

    def send(self, to: str, text: str) -> str:
        """Send one message; Twilio's id of it.

        Raises:
            DoorError: Twilio did not take it. After a timeout nobody knows whether it did.
        """
        http = _Http(timeout=float(self._settings.timeout))
        sender = self._settings.sender
        origin = {"messaging_service_sid": sender} if _is_service(sender) else {"from_": sender}
        try:
            seconds = float(self._settings.timeout) + SPARE
            made = Bounded().call(
                "Twilio", lambda: self._client(http).messages.create(to=to, body=text, **origin), seconds
            )
            return _id(made.sid)
        except TwilioException as error:
            raise _refusal(error, http.retry_after_seconds) from None
        except requests.RequestException as error:
            raise _unreached(error) from None
        except (AttributeError, KeyError, TypeError, ValueError):  # what the client makes of an answer not Twilio's
            raise DoorError("what answered does not speak like Twilio", "status") from None
        finally:
            if http.session is not None:
                http.session.close()

    def _client(self, http: _Http) -> Client:
        client = Client(_plain(self._settings.account_sid), _plain(self._settings.auth_token), http_client=http)
        if self._settings.api_base:
            client.api.base_url = self._settings.api_base
        return client


def _id(sid: str | None) -> str:
    if not sid:
        raise ValueError("a message without an id")
    return sid


def _is_service(sender: str) -> bool:
    return sender.startswith("MG") and len(sender) == 34


def _plain(value: SecretStr | str) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _seconds(header: str | None) -> float | None:
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _refusal(error: TwilioException, wait: float | None) -> DoorError:
    status = int(getattr(error, "status", 0) or 0)
    said = getattr(error, "msg", None) or getattr(error, "detail", None) or getattr(error, "title", "") or str(error)
    why = " ".join(f"Twilio answered {status or 'oddly'}: {said}".split())[:300]
    if status in {401, 403}:
        return DoorError(why, "auth", permanent=True)
    if status == 429:
        return DoorError(why, "rate_limited", retry_after_seconds=wait)
    if 300 <= status < 500 and status != 408:
        return DoorError(why, "client", permanent=True)
    return DoorError(why, "status", retry_after_seconds=wait)


def _unreached(error: requests.RequestException) -> DoorError:
    if isinstance(error, requests.Timeout):
        return DoorError("Twilio did not answer in time", "timeout")
    if isinstance(error, requests.exceptions.SSLError):
        return DoorError("no trusted TLS connection to Twilio", "tls")
    told = str(error)
    for kind, sign in (("dns", "NameResolutionError"), ("refused", "Connection refused"), ("reset", "reset by peer")):
        if sign in told:
            return DoorError(f"Twilio is not reachable: {sign}", kind)
    return DoorError(f"Twilio is not reachable: {type(error).__name__}", "network")
