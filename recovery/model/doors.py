"""The doors to the outside as plugins see them, and what plugins answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from recovery.model.channel_doors import AppriseDoor, MailDoor, SlackDoor, SmsDoor
from recovery.model.data_doors import CacheDoor, FilesDoor, SessionDoor
from recovery.model.n8n_doors import N8nActing
from recovery.model.process_doors import ProcessDoor
from recovery.model.remote_doors import SshDoor
from recovery.model.sights import DatabaseDoor, DockerDoor, GpuDoor, N8nNumbers, NetworkDoor, UsageDoor

__all__ = [
    "DoorError",
    "Doors",
    "HttpAnswer",
    "HttpDoor",
    "MachineDoor",
    "N8nDoor",
    "N8nError",
    "Past",
    "ShellDoor",
    "ShellResult",
]


@dataclass(frozen=True, slots=True)
class Past:
    """What a check that remembers is given beside its arguments.

    Fields:
        now: the present time.
        memory: the `memory` of its last reading; {} at first. Seconds and numbers, never more than a few hundred.
        beat: what the component told of itself: `success_at`, `fail_at`, `start_at` (ISO 8601), `took_seconds` and
            `message` of a heartbeat; `heard_at` of whatever was pushed of it, where its silence is a failure, and
            `listening_since` where nobody could be heard before. And `acted_at`, when an action last ended on it.
    """

    now: datetime
    memory: dict[str, Any] = field(default_factory=dict)
    beat: dict[str, Any] = field(default_factory=dict)


class DoorError(Exception):
    """The outside did not do what was asked.

    Fields:
        kind: "timeout", "refused", "dns", "tls", "reset", "status", "auth", "rate_limited", "client" or "network".
        permanent: asking again cannot help.
        retry_after_seconds: what the other side asked for; None where it did not.
    """

    def __init__(
        self,
        message: str,
        kind: str = "network",
        permanent: bool = False,
        retry_after_seconds: float | None = None,
    ):
        super().__init__(message)
        self.kind = kind
        self.permanent = permanent
        self.retry_after_seconds = retry_after_seconds


class N8nError(DoorError):
    """n8n did not do what was asked; kinds beside DoorError's: "not_found", "conflict", "forbidden", "too_old"."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer.

    Fields:
        text: of the body, cut. headers: with their names in lower case. latency_ms: how long it took, milliseconds.
        certificate_ends: when the other side's TLS certificate ends; None without TLS, or where it is not verified.
    """

    status: int
    text: str
    latency_ms: float
    headers: dict[str, str] = field(default_factory=dict)
    certificate_ends: datetime | None = None


class HttpDoor(Protocol):
    """HTTP and TCP towards components and channels."""

    def request(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout_seconds: float = 10.0,
        verify: bool = True,
        follow: bool = True,
    ) -> HttpAnswer:
        """Ask once. Any status is an answer, as is a redirect to another host. Raises DoorError where none came."""

    def connect(self, host: str, port: int, timeout_seconds: float) -> float:
        """Open and close a TCP connection; milliseconds it took. Raises DoorError."""

    async def ask(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout_seconds: float = 10.0,
        verify: bool = True,
        follow: bool = True,
    ) -> HttpAnswer:
        """`request` with the same arguments, for checks: on an event loop, where many wait at little cost."""

    async def reach(self, host: str, port: int, timeout_seconds: float) -> float:
        """`connect`, for checks."""


@dataclass(frozen=True, slots=True)
class ShellResult:
    """How a command ended: its exit code (None where it was ended at its deadline) and its output, cut."""

    code: int | None
    output: str
    timed_out: bool = False


class ShellDoor(Protocol):
    """Commands on this machine."""

    def run(
        self,
        command: list[str] | str,
        *,
        shell: bool = False,
        timeout_seconds: float = 60.0,
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        started: Callable[[int, float], None] | None = None,
    ) -> ShellResult:
        """Run to its end or to its deadline, then end its whole process group.

        `started` is told the process group and its start time (seconds since boot) before the command does
        anything, so that a survivor of a killed worker can be found. Raises DoorError where it cannot start.
        """


class N8nDoor(N8nActing, Protocol):
    """One n8n's public REST API. Every method raises N8nError where n8n does not do what was asked."""

    site: str

    def execution(self, execution_id: str, with_data: bool = False) -> dict[str, Any] | None:
        """One execution as n8n gives it; None where it is gone."""

    def executions(
        self,
        status: str = "",
        workflow_id: str = "",
        started_after: str = "",
        cursor: str = "",
        limit: int = 100,
        started_before: str = "",
    ) -> tuple[list[dict[str, Any]], str]:
        """One page, newest first, and the cursor of the next ("" at the end). Running ones only if asked for."""

    def retry(self, execution_id: str) -> dict[str, Any] | None:
        """Retry; the new execution, or None where the answer did not come in time (the run goes on in n8n)."""

    def workflow(self, workflow_id: str) -> dict[str, Any] | None:
        """A workflow with its tags; None where it is gone."""

    def ready(self) -> str:
        """ "" where n8n is ready, else what is wrong, in words."""

    def readiness(self) -> str:
        """The same, but where n8n does not answer: raises DoorError."""

    def published_workflows(self) -> list[dict[str, Any]]:
        """All published workflows, with their nodes."""

    def tagged_workflows(self, tag: str) -> list[dict[str, Any]]:
        """All workflows with that tag, published or not."""

    def webhook_methods(self, path: str) -> frozenset[str]:
        """The HTTP methods that are registered at a production webhook; nothing is run."""

    def credentials(self) -> list[dict[str, Any]]:
        """All credentials, without anything secret: `id`, `name`, `type`, `updatedAt`."""

    def test_credential(self, credential_id: str) -> tuple[bool, str] | None:
        """Let n8n try a credential: whether it works, and n8n's words; None where it is gone."""

    def numbers(self) -> N8nNumbers:
        """What n8n's `/metrics` tell; nothing where they are switched off, or hidden by a proxy."""

    def key_ends(self) -> datetime | None:
        """When the API key ends, as the key itself says; None where it does not."""


class MachineDoor(Protocol):
    """This host."""

    def end_group(self, group: int, started: float) -> None:
        """End the process group that began at `started` (seconds since boot), if it is still the same one."""


class Doors(Protocol):
    """All doors, as plugins get them."""

    http: HttpDoor
    shell: ShellDoor
    machine: MachineDoor
    processes: ProcessDoor
    network: NetworkDoor
    database: DatabaseDoor
    docker: DockerDoor
    usage: UsageDoor
    gpu: GpuDoor
    ssh: SshDoor
    files: FilesDoor
    caches: CacheDoor
    sessions: SessionDoor

    def n8n(self, site: str) -> N8nDoor | None:
        """The n8n of that name, or None where none is configured."""

    def https(self, ca_file: str = "", fingerprint: str = "") -> HttpDoor:
        """HTTP that trusts only certificates of the file's, or the one of that SHA-256 fingerprint, in hex digits."""

    def mail(self, settings: Any) -> MailDoor:
        """The SMTP server that a channel's settings name."""

    def sms(self, settings: Any) -> SmsDoor:
        """The SMS account that a channel's settings name."""

    def slack(self, settings: Any) -> SlackDoor:
        """The Slack workspace that a channel's settings name."""

    def apprise(self, settings: Any) -> AppriseDoor:
        """The services that a channel's settings name."""
