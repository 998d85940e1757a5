"""Commands on other hosts over ssh: only on one that shows the very key that it must."""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh

from recovery.model import DoorError, RemoteResult, SshHost
from recovery.model.secrets import read_secret_file
from recovery.outside.background import Background
from recovery.outside.bounded import Bounded
from recovery.outside.kept import Kept
from recovery.redact import redact_text

__all__ = ["Ssh"]

GRACE_SECONDS = 2.0
LAST_WORDS_SECONDS = 0.5
NO_HOSTS: Any = ([], [], [])  # not empty, or asyncssh would trust what stands in ~/.ssh/known_hosts
RSA = ("rsa-sha2-512", "rsa-sha2-256")
ALGORITHMS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", *RSA)

logging.getLogger("asyncssh").setLevel(logging.WARNING)  # each command and each byte count would be told


class Ssh:
    """Commands as an `SshDoor` runs them.

    Nothing of this user's own ssh is used: no `~/.ssh/config`, no known hosts, no agent, no other key. A connection is
    made for one command. No terminal is asked for, no environment is sent, and there is nothing on standard input.
    What a command leaves running in the background stays.
    """

    def __init__(self, background: Background):
        self._background = background
        self._reading = Bounded()

    def run(self, there: SshHost, line: str, timeout_seconds: float) -> RemoteResult:
        """Run a line to its end or to its deadline. See `SshDoor.run`; the output is merged and cut to 16 KiB."""
        key = self._reading.call(there.key_file, lambda: _private_key(there.key_file), timeout_seconds)
        return self._background.run(_run(there, key, line, timeout_seconds))


def _private_key(path: str) -> asyncssh.SSHKey:
    try:
        if not Path(path).is_file():  # a pipe would keep us waiting
            raise ValueError("there is no such file")
        return asyncssh.import_private_key(read_secret_file(path) + "\n")
    except (ValueError, asyncssh.KeyEncryptionError, OSError) as error:
        raise DoorError(f"the key file {path!r} cannot be used: {_words(error)}", "client", permanent=True) from None


class _Pinned(asyncssh.SSHClient):
    """Lets the host pass that shows the pinned key, and notes what it showed."""

    def __init__(self, wanted: str):
        self._wanted = wanted
        self.shown = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        fingerprint = key.get_fingerprint("sha256")
        self.shown = f"{fingerprint} ({key.get_algorithm()})"
        return fingerprint == self._wanted


class _Heard(asyncssh.SSHClientSession[bytes]):
    """What comes back of one command."""

    def __init__(self) -> None:
        self.kept = Kept()
        self.ended, self.silent = asyncio.Event(), asyncio.Event()
        self.code: int | None = None
        self.signal = ""

    @property
    def told(self) -> bool:
        """Whether the host has said how it ended."""
        return self.code is not None or bool(self.signal)

    def data_received(self, data: bytes, datatype: Any) -> None:
        self.kept.add(data)

    def eof_received(self) -> bool:
        self.silent.set()
        return False

    def exit_status_received(self, status: int) -> None:
        self.code = status
        self.ended.set()

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self.signal = signal[:20] or "?"
        self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        self.silent.set()


async def _run(there: SshHost, key: asyncssh.SSHKey, line: str, seconds: float) -> RemoteResult:
    deadline = asyncio.get_running_loop().time() + seconds
    pinned = _Pinned(_fingerprint(there.host_key))
    heard, connection = _Heard(), None
    try:
        async with asyncio.timeout_at(deadline):
            connection = await _connect(there, key, pinned)
            channel, _ = await connection.create_session(lambda: heard, line, encoding=None, request_pty=False)
    except (asyncssh.Error, OSError, ValueError) as error:
        problem = _problem(error, there, pinned, seconds)
        if connection:
            connection.abort()
            problem.args = (f"{problem}; nobody knows whether the command began",)
        raise problem from None
    try:
        return await _follow(channel, heard, deadline, f"{there.host}:{there.port}")
    finally:
        connection.close()


async def _connect(there: SshHost, key: asyncssh.SSHKey, pinned: _Pinned) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        there.host,
        there.port,
        username=there.user,
        client_factory=lambda: pinned,
        client_keys=[key],
        known_hosts=NO_HOSTS,
        server_host_key_algs=_algorithms(there.host_key.split()[0]),
        preferred_auth="publickey",
        config=None,
        agent_path=None,
        gss_host=None,
        x509_trusted_certs=None,
        x509_trusted_cert_paths=[],
        login_timeout=0,
    )


def _algorithms(kind: str) -> list[str]:
    """The pinned kind first: of several host keys that is the one to show. Without it another shows what is there."""
    first = RSA if kind == "ssh-rsa" else (kind,)
    return sorted(ALGORITHMS, key=lambda name: name not in first)


def _fingerprint(host_key: str) -> str:
    if host_key.startswith("SHA256:"):
        return host_key.rstrip("=")
    try:
        return asyncssh.import_public_key(host_key).get_fingerprint("sha256")
    except ValueError as error:
        raise DoorError(f"the pinned host key cannot be read: {_words(error)}", "client", permanent=True) from None


async def _follow(channel: Any, heard: _Heard, deadline: float, place: str) -> RemoteResult:
    channel.write_eof()
    left = deadline - asyncio.get_running_loop().time()
    timed_out = not await _happens(heard.ended, left)
    for name in ("TERM", "KILL") if timed_out else ():
        if not heard.ended.is_set():
            with suppress(OSError):  # the channel was closed just now
                channel.send_signal(name)
            await _happens(heard.ended, GRACE_SECONDS)
    if not heard.told and not timed_out:
        raise DoorError(f"{place} broke the connection off: nobody knows whether the command ended", "reset")
    silent = heard.told and await _happens(heard.silent, LAST_WORDS_SECONDS)
    code, survives = (None, not silent) if timed_out else (heard.code, False)  # a shell ends before what it started
    return RemoteResult(code, heard.kept.text(), heard.signal, timed_out, survives)


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    except TimeoutError:
        pass
    return event.is_set()


def _problem(error: Exception, there: SshHost, pinned: _Pinned, seconds: float) -> DoorError:
    """Why no command began, in words."""
    place = f"{there.host}:{there.port}"
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        said = f"{place} shows the host key {pinned.shown or 'of a kind that is not taken'}, not the pinned one"
        return DoorError(f"{said}: nothing was sent", "tls", permanent=True)
    if isinstance(error, asyncssh.PermissionDenied):
        return DoorError(f"{place} does not let {there.user!r} in with this key", "auth", permanent=True)
    if isinstance(error, TimeoutError):
        return DoorError(f"no answer from {place} within {seconds:g} s", "timeout")
    if isinstance(error, ConnectionRefusedError):
        return DoorError(f"{place} refuses the connection", "refused")
    if isinstance(error, asyncio.exceptions.IncompleteReadError | ConnectionError | asyncssh.ConnectionLost):
        return DoorError(f"{place} broke the connection off", "reset")
    kind = {"gaierror": "dns"}.get(type(error).__name__, "network")
    return DoorError(f"{place} cannot be reached over ssh: {_words(error)}", kind)


def _words(error: Exception) -> str:
    text = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error) or type(error).__name__
    return redact_text(" ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split()))[:200]
