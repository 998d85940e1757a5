"""All the doors to the world, opened once per worker."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from recovery.model import (
    CacheDoor,
    DatabaseDoor,
    DockerDoor,
    Doors,
    FilesDoor,
    GpuDoor,
    HttpDoor,
    MachineDoor,
    NetworkDoor,
    ProcessDoor,
    SessionDoor,
    ShellResult,
    SshDoor,
    UsageDoor,
)
from recovery.outside.apprise import Apprise
from recovery.outside.background import Background
from recovery.outside.caches import Caches
from recovery.outside.databases import Databases
from recovery.outside.docker import Docker
from recovery.outside.files import Files
from recovery.outside.gpu import Gpu
from recovery.outside.http import Http
from recovery.outside.machine import Machine
from recovery.outside.mail import Mail
from recovery.outside.n8n import N8n
from recovery.outside.network import Network
from recovery.outside.processes import Processes
from recovery.outside.sessions import Sessions
from recovery.outside.shell import Shell
from recovery.outside.slack import Slack
from recovery.outside.sms import Sms
from recovery.outside.ssh import Ssh
from recovery.outside.usage import MachineUsage


class Addresses(Protocol):
    """What the doors need of the configuration."""

    @property
    def n8n(self) -> Any:
        """The n8n instances: each with name, url, api_key."""


class OpenDoors:
    """The real doors; see `recovery.model.Doors`."""

    def __init__(self, config: Addresses):
        self.background = Background()
        self._http = Http(background=self.background)
        self.http: HttpDoor = self._http
        self.shell: Any = Shell()
        self.machine: MachineDoor = Machine()
        self.processes: ProcessDoor = Processes()
        self.network: NetworkDoor = Network()
        self.database: DatabaseDoor = Databases()
        self.docker: DockerDoor = Docker(self.background)
        self.usage: UsageDoor = MachineUsage()
        self.gpu: GpuDoor = Gpu()
        self.ssh: SshDoor = Ssh(self.background)
        self.files: FilesDoor = Files()
        self.caches: CacheDoor = Caches()
        self.sessions: SessionDoor = Sessions()
        self._n8n: Mapping[str, N8n] = {
            one.name: N8n(one.name, str(one.url), _plain(one.api_key)) for one in config.n8n if one.api_key
        }

    def get_ready(self) -> None:
        """Do now what the first to ask would wait for, and everybody else behind it."""
        self._http.get_ready()

    def n8n(self, site: str) -> N8n | None:
        """The n8n of that name, or None where none is configured."""
        return self._n8n.get(site)

    def https(self, ca_file: str = "", fingerprint: str = "") -> HttpDoor:
        """HTTP that trusts only certificates of the file's, or the one of that SHA-256 fingerprint, in hex digits."""
        return Http(ca_file, self.background, fingerprint)

    def mail(self, settings: Any) -> Mail:
        """The SMTP server that a channel's settings name."""
        return Mail(settings)

    def sms(self, settings: Any) -> Sms:
        """The SMS account that a channel's settings name."""
        return Sms(settings)

    def slack(self, settings: Any) -> Slack:
        """The Slack workspace that a channel's settings name."""
        return Slack(settings)

    def apprise(self, settings: Any) -> Apprise:
        """The services that a channel's settings name."""
        return Apprise(settings)

    def for_step(self, started: Callable[[int, float], None]) -> Doors:
        """The same doors for one step, whose commands are written down before they do anything."""
        return _StepDoors(self, started)


class _StepDoors:
    """The doors of one step."""

    def __init__(self, doors: OpenDoors, started: Callable[[int, float], None]):
        self.http, self.machine, self.processes = doors.http, doors.machine, doors.processes
        self.network, self.database, self.docker = doors.network, doors.database, doors.docker
        self.usage, self.gpu, self.ssh = doors.usage, doors.gpu, doors.ssh
        self.files, self.caches, self.sessions = doors.files, doors.caches, doors.sessions
        self.n8n, self.https, self.mail, self.sms = doors.n8n, doors.https, doors.mail, doors.sms
        self.slack, self.apprise = doors.slack, doors.apprise
        self.shell: Any = _StepShell(doors.shell, started)


class _StepShell:
    """A shell that tells the step which process it starts."""

    def __init__(self, shell: Shell, started: Callable[[int, float], None]):
        self._shell, self._started = shell, started

    def run(self, command: list[str] | str, **more: Any) -> ShellResult:
        """See `recovery.model.ShellDoor`."""
        return self._shell.run(command, **{"started": self._started, **more})


def _plain(secret: Any) -> str:
    return secret.get_secret_value() if hasattr(secret, "get_secret_value") else str(secret)
