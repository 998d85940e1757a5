"""The mail door: yagmail's client, with its surprises taken out.

yagmail by itself asks a terminal for a missing password, sleeps and sends again when a connection breaks, trusts any
certificate, turns text that names a file into an attachment, and puts plain text into HTML unescaped. So it connects,
builds the frame of the message and closes; what goes into the frame, and when to try again, is decided here and in
the outbox.
"""

import socket
import ssl
import threading
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import parseaddr
from typing import Any

import yagmail
from pydantic import SecretStr
from yagmail.message import prepare_message

from recovery.model import DoorError
from recovery.outside.trust import trust_in

QUIT_SECONDS = 2.0


class Mail:
    """One SMTP server.

    `settings` has sender and smtp, with host, reached_at, encryption, user, password, timeout and ca_file.
    """

    def __init__(self, settings: Any):
        self._settings = settings
        self._name, self._address = parseaddr(settings.sender)

    def send(self, to: list[str], subject: str, text: str, html: str, headers: dict[str, str]) -> dict[str, str]:
        """Hand one message over, in `smtp.timeout` seconds at most; which recipients were refused, and why.

        Raises:
            DoorError: the server took it for nobody. After a timeout nobody knows whether it did.
        """
        message = self._message(to, subject, text, html, headers).as_string()
        outcome = _Outcome()
        # A server may drip a byte at a time and never hit a socket's timeout, so the whole has a deadline too.
        name = f"mail to {self._settings.smtp.host}"
        threading.Thread(target=self._hand_over, args=(to, message, outcome), name=name, daemon=True).start()
        if not outcome.known.wait(self._settings.smtp.timeout + QUIT_SECONDS):
            raise DoorError(f"{self._settings.smtp.host} took too long", "timeout")
        if outcome.error is not None:
            raise _refusal(outcome.error, self._settings.smtp.host) from None
        return {who: f"{code} {_said(why)}" for who, (code, why) in outcome.refused.items()}

    def _hand_over(self, to: list[str], message: str, outcome: "_Outcome") -> None:
        client = None
        try:
            client = self._client()
            client.login()
            client.smtp.ehlo_or_helo_if_needed()
            if self._settings.smtp.user:
                client.smtp.login(self._settings.smtp.user, _plain(self._settings.smtp.password))
            outcome.refused = client.smtp.sendmail(self._address, to, message)
        except Exception as error:  # whatever yagmail and the libraries below it raise is an answer here
            outcome.error = error
        outcome.known.set()
        _close(client)

    def _client(self) -> yagmail.SMTP:
        smtp = self._settings.smtp
        trust = trust_in(smtp.ca_file)
        return yagmail.SMTP(
            user={self._address: self._name or self._address},
            host=smtp.host,
            port=smtp.reached_at,
            smtp_starttls={"context": trust} if smtp.encryption == "starttls" else False,
            smtp_ssl=smtp.encryption == "tls",
            smtp_skip_login=True,
            soft_email_validation=False,
            timeout=smtp.timeout,
            **({"context": trust} if smtp.encryption == "tls" else {}),
        )

    def _message(self, to: list[str], subject: str, text: str, html: str, headers: dict[str, str]) -> MIMEMultipart:
        safe = {name: _one_line(value) for name, value in headers.items()}
        message = prepare_message(
            user=self._address,
            useralias=_one_line(self._name or self._address),
            addresses={"recipients": to, "To": ", ".join(map(_one_line, to))},
            subject=Header(_one_line(subject), "utf-8").encode(),
            contents=["-"],
            attachments=None,
            headers={name: value for name, value in safe.items() if name.lower() != "message-id"},
            encoding="utf-8",
            prettify_html=False,
            message_id=next((value for name, value in safe.items() if name.lower() == "message-id"), None),
        )
        alternatives: Any = message.get_payload(0)
        alternatives.set_payload([MIMEText(text, "plain", "utf-8"), MIMEText(html, "html", "utf-8")])
        return message


class _Outcome:
    """What became of a handover; nothing, until `known` is set."""

    def __init__(self) -> None:
        self.known = threading.Event()
        self.error: Exception | None = None
        self.refused: dict[str, tuple[int, bytes]] = {}


def _close(client: yagmail.SMTP | None) -> None:
    """Say goodbye, but wait for no answer: what was taken is taken."""
    if client is None or client.smtp is None:
        return
    try:
        if client.smtp.sock is not None:
            client.smtp.sock.settimeout(QUIT_SECONDS)
        client.close()
    except Exception:
        client.smtp.close()
    client.is_closed = True


def _refusal(error: Exception, host: str) -> DoorError:
    """A DoorError of whatever came up; SMTP's own errors are told by the fields that they carry."""
    if isinstance(refused := getattr(error, "recipients", None), dict):
        return _refused(refused, host)
    if isinstance(code := getattr(error, "smtp_code", None), int):
        return _answered(code, _said(getattr(error, "smtp_error", b"")), host)
    return _broken(error, host)


def _answered(code: int, said: str, host: str) -> DoorError:
    permanent = 500 <= code < 600
    kind = "auth" if code in {454, 530, 534, 535, 538} else "client" if permanent else "status"
    return DoorError(f"{host} answered {code}: {said}", kind, permanent)


def _refused(refused: dict[str, tuple[int, bytes]], host: str) -> DoorError:
    permanent = all(500 <= code < 600 for code, _ in refused.values())
    told = "; ".join(f"{who}: {code} {_said(why)}" for who, (code, why) in refused.items())
    return DoorError(f"{host} refused {told}", "client" if permanent else "status", permanent)


def _broken(error: Exception, host: str) -> DoorError:
    name, told = type(error).__name__, _one_line(str(error))[:200]
    if name == "SMTPNotSupportedError":
        return DoorError(f"{host} cannot do what is configured: {told}", "client", permanent=True)
    if isinstance(error, ssl.SSLError):
        return DoorError(f"no trusted TLS connection to {host}: {told}", "tls")
    if isinstance(error, TimeoutError) or "timed out" in told:
        return DoorError(f"{host} did not answer in time", "timeout")
    if isinstance(error, socket.gaierror):
        return DoorError(f"the name of {host} cannot be resolved", "dns")
    if isinstance(error, ConnectionRefusedError):
        return DoorError(f"{host} refuses the connection", "refused")
    broken_off = name == "SMTPServerDisconnected" or isinstance(error, ConnectionError)
    kind = "reset" if broken_off else "network"
    return DoorError(f"{host}: {told or name}", kind)


def _said(answer: bytes | str) -> str:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
    return _one_line(text)[:200]


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _plain(value: SecretStr | str) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
