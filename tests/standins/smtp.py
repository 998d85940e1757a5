"""A real SMTP server (aiosmtpd) that takes mail, asks for a password, speaks TLS, refuses, or misbehaves as told."""

import asyncio
import socket
import ssl
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


@dataclass(frozen=True)
class Mail:
    """One mail that was taken: envelope, message, the user that logged in ("" for none), and whether over TLS."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    raw: bytes
    user: str
    over_tls: bool

    def part(self, kind: str) -> str:
        """The text of its "plain" or "html" part."""
        body = self.message.get_body((kind,))
        assert body is not None, f"no {kind} part"
        return str(body.get_content())


class SmtpReceiver:
    """An SMTP server on a free port of 127.0.0.1, from `start` to `stop`, or as a context manager.

    Args:
        encryption: "none", "starttls" (which it then insists on) or "tls".
        user, password: what it asks for; none where user is "".

    Fields:
        mails: what was taken, in order.
        refused: recipients that are not taken, each with the answer: `{"x@y": "550 no such user"}`.
        fault: "" or, at the end of a message, "hang", "drop" (break the connection off) or an answer like "554 no".
        greylisted: how many more recipients are answered "451 later".
        ca_file: the certificate to trust.
    """

    def __init__(self, encryption: str = "none", user: str = "", password: str = "", port: int = 0):
        self.mails: list[Mail] = []
        self.refused: dict[str, str] = {}
        self.fault = ""
        self.greylisted = 0
        self.host = "127.0.0.1"
        self._came = threading.Condition()
        self._login = (user, password)
        self._encryption = encryption
        self._folder = tempfile.TemporaryDirectory(prefix="smtp-")
        self.ca_file = str(Path(self._folder.name) / "ca.pem")
        self._controller = self._make(port)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._controller.port

    def start(self) -> Self:
        """Begin to listen."""
        self._controller.start()
        return self

    def stop(self) -> None:
        """End, and let go of what hangs."""
        self._controller.stop(no_assert=True)
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def wait_for(self, count: int, seconds: float = 10.0) -> list[Mail]:
        """What was taken, as soon as it is `count` mails or more. Raises AssertionError where it takes too long."""
        with self._came:
            if not self._came.wait_for(lambda: len(self.mails) >= count, seconds):
                raise AssertionError(f"{len(self.mails)} of {count} mails came in {seconds} s")
            return list(self.mails)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """aiosmtpd's hook: one recipient."""
        if self.greylisted > 0:
            self.greylisted -= 1
            return "451 4.7.1 greylisted, try again later"
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """aiosmtpd's hook: a whole message."""
        if self.fault == "hang":
            await asyncio.sleep(3_600)
        if self.fault == "drop":
            server.transport.abort()
            return "421 gone"
        if self.fault:
            return self.fault
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        user = session.auth_data.login.decode() if session.auth_data else ""
        over_tls = session.ssl is not None or self._encryption == "tls"
        mail = Mail(envelope.mail_from, envelope.rcpt_tos, parsed, envelope.content, user, over_tls)
        with self._came:
            self.mails.append(mail)
            self._came.notify_all()
        return "250 taken"

    def _make(self, port: int) -> Controller:
        context = self._certificate() if self._encryption != "none" else None
        return _AnyPort(
            self,
            hostname=self.host,
            port=port,
            ssl_context=context if self._encryption == "tls" else None,
            tls_context=context if self._encryption == "starttls" else None,
            require_starttls=self._encryption == "starttls",
            auth_required=bool(self._login[0]),
            auth_require_tls=self._encryption != "none",
            authenticator=self._authenticate,
        )

    def _certificate(self) -> ssl.SSLContext:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        return context

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        wanted = LoginPassword(*(text.encode() for text in self._login))
        return AuthResult(success=data == wanted, handled=False, auth_data=data)


class _AnyPort(Controller):
    """aiosmtpd's controller, able to take whichever port is free."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        if self.ssl_context is None:  # its own first connection would not trust our certificate
            super()._trigger_server()
        else:
            with socket.create_connection((self.hostname, self.port), 1.0):
                pass


class DrippingServer:
    """Sends a greeting that never ends, a letter at a time (a "tarpit"), or nothing where `every_seconds` is 0."""

    def __init__(self, every_seconds: float = 0.0):
        self._every = every_seconds
        self._ending = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while not self._ending.wait(self._every or 3_600):
                connection.sendall(b"2")
