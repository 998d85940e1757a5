"""The doors to other machines: commands over ssh."""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["RemoteResult", "SshDoor", "SshHost"]


@dataclass(frozen=True, slots=True)
class SshHost:
    """Whom a command is given to.

    Fields:
        key_file: path of the private key that we log in with.
        host_key: the key that the host must show: a public key line (`ssh-ed25519 AAAA...`) or `SHA256:...`.
    """

    host: str
    port: int
    user: str
    key_file: str
    host_key: str


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """How a command on another host ended.

    Fields:
        code: its exit code; None where a signal or its deadline ended it.
        output: what it said, cut and without secrets.
        signal: the name of what ended it, without "SIG"; "" where nothing did.
        timed_out: it had not ended at its deadline.
        survives: and nobody knows whether it has since.
    """

    code: int | None
    output: str
    signal: str = ""
    timed_out: bool = False
    survives: bool = False


class SshDoor(Protocol):
    """Commands on other hosts."""

    def run(self, there: SshHost, line: str, timeout_seconds: float) -> RemoteResult:
        """Give a line to the user's shell there, and follow it to its end or to its deadline, when it is ended.

        Raises DoorError: of the kind "tls" and permanent where the host shows another key than it must, before
        anything is sent to it; "auth" and permanent where it does not let us in; "client" and permanent where the key
        file cannot be used; "reset" where the connection broke off, so that nobody knows how far the command came.
        """
