"""What checks see through their doors: hosts, databases, containers, this machine, GPUs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

__all__ = [
    "ContainerState",
    "DatabaseAddress",
    "DatabaseDoor",
    "DatabaseState",
    "DockerDoor",
    "GpuDoor",
    "GpuState",
    "Gpus",
    "Knock",
    "N8nNumbers",
    "NetworkDoor",
    "Room",
    "Usage",
    "UsageDoor",
]


@dataclass(frozen=True, slots=True)
class Knock:
    """A host that answered: at which port, whether it took the connection or refused it, and after how long."""

    port: int
    taken: bool
    latency_ms: float


class NetworkDoor(Protocol):
    """Names and hosts."""

    async def resolve(self, name: str, records: list[str], server: str, port: int, timeout_seconds: float) -> list[str]:
        """The addresses of a name, sorted: those of its `records` ("A", "AAAA"), at least one.

        `server` is the IP address of the name server that is asked at `port`; "" asks the system's resolver. Raises
        DoorError, of the kind "dns" where there is no such name or no usable answer.
        """

    async def knock(self, host: str, ports: list[int], timeout_seconds: float) -> Knock:
        """Connect to all the ports at once; the first that takes or refuses. Raises DoorError where none does."""


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a database is, and how it is asked.

    Fields:
        engine: "sqlite", "postgresql", "mysql" or "redis".
        host: a name, an IP address, or an absolute path (a socket, for PostgreSQL its folder). Not for SQLite.
        path: the SQLite file.
        query: the statement to run; "" for the engine's own small one.
        tls: only over TLS, with a certificate that is trusted. ca_file: what to trust; "" for the usual ones.
        integrity: look through an SQLite file for damage.
    """

    engine: str
    host: str = ""
    port: int = 0
    path: str = ""
    database: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    query: str = ""
    tls: bool = False
    ca_file: str = ""
    integrity: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """How a database that answered is.

    Fields:
        latency_ms: connecting and the query, milliseconds.
        connections, most_connections: how many are open, and how many may be; None where it does not tell.
        lag_seconds: how far a replica is behind; None where it is none, or does not tell.
        trouble: what is wrong although it answers, such as a replication that stopped; "" for nothing.
    """

    latency_ms: float
    connections: int | None = None
    most_connections: int | None = None
    lag_seconds: float | None = None
    trouble: str = ""


class DatabaseDoor(Protocol):
    """Databases, each over a connection of its own that is closed again."""

    async def look(self, address: DatabaseAddress, timeout_seconds: float) -> DatabaseState:
        """Connect, ask, and see how it is.

        Raises DoorError, whose words hold no password; of the kind "auth" where it does not let us in, and
        "rate_limited" where it takes no more connections.
        """


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A Docker container as its daemon tells of it.

    Fields:
        status: "running", "restarting", "paused", "exited", "created", "removing" or "dead".
        health: "healthy", "unhealthy", "starting"; "" where it has no health check.
        failing_streak: how many health checks in a row have failed.
        restarts: how often Docker has restarted it since it was made, or since a person started it.
        id: 64 hex digits; "" where the daemon does not tell.
    """

    status: str
    health: str = ""
    failing_streak: int = 0
    restarts: int = 0
    exit_code: int = 0
    out_of_memory: bool = False
    id: str = ""


class DockerDoor(Protocol):
    """Docker daemons."""

    async def container(self, name: str, address: str, timeout_seconds: float) -> ContainerState | None:
        """How a container is; None where there is none of that name.

        `address` is unix:///path of a socket, or tcp://host:port. Raises DoorError where the daemon does not answer.
        """

    def look(self, name: str, address: str, timeout_seconds: float) -> ContainerState | None:
        """`container`, for actions: it waits where it is called."""

    def restart(self, name: str, address: str, stop_seconds: int | None, timeout_seconds: float) -> bool:
        """Restart a container; False where there is none of that name.

        It may take `stop_seconds` to stop, before it is ended; None: as long as it says itself (Docker: 10 s). Raises
        DoorError; of the kind "timeout" where Docker has not answered yet, and goes on by itself.
        """

    def watch(self, key: str, container: str, address: str, died: Callable[[str], None]) -> None:
        """Call `died(key)` soon after the daemon tells of the container's end or ill health, from another thread.

        It is only told: it may live again. Replaces what the key watched. A daemon that tells nothing is no error.
        """


@dataclass(frozen=True, slots=True)
class Room:
    """How full a file system is: bytes, and inodes (0 where it has no limit of them). `free` is what users may take."""

    used: int
    free: int
    inodes_used: int = 0
    inodes_free: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """How full this machine is.

    Fields:
        cpu_seconds, cpu_idle_seconds: of all cores together, since the machine started.
        memory_used, memory_total, swap_used, swap_total: bytes.
        load: of the last 5 minutes. cores: how many there are.
        files_used, files_most, files_of: open files of whoever is nearest to its limit: a process, or the machine.
        rooms: by path.
    """

    cpu_seconds: float
    cpu_idle_seconds: float
    memory_used: int
    memory_total: int
    swap_used: int
    swap_total: int
    load: float
    cores: int
    files_used: int
    files_most: int
    files_of: str
    rooms: dict[str, Room] = field(default_factory=dict)


class UsageDoor(Protocol):
    """How full this machine is."""

    def look(self, paths: list[str], timeout_seconds: float) -> Usage:
        """Its state now, with the file systems of `paths`. Raises DoorError for a path that is gone or hangs."""


@dataclass(frozen=True, slots=True)
class GpuState:
    """One NVIDIA GPU. What it does not tell is None.

    Fields:
        lost: why it cannot be asked any more, in words; "" where it can.
        temperature: of the chip, degrees Celsius.
        memory_used, memory_total: bytes.
        uncorrected_errors: of its memory, since the driver was loaded.
        slowed_by: why its clocks are held down, where it is for its protection.
        holders: the numbers of the processes that hold it.
    """

    id: str
    name: str
    lost: str = ""
    temperature: int | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    uncorrected_errors: int | None = None
    slowed_by: tuple[str, ...] = ()
    holders: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Gpus:
    """The GPUs of this machine; `absent` says in words why there are none, and is "" where there are some."""

    devices: tuple[GpuState, ...] = ()
    absent: str = ""


class GpuDoor(Protocol):
    """The NVIDIA GPUs of this machine."""

    def look(self, timeout_seconds: float) -> Gpus:
        """How they are. Raises DoorError where the driver is there and does not answer."""

    def look_at_holders(self, timeout_seconds: float) -> Gpus:
        """How they are, and who holds each: of a lost one, who has its device file open. Raises as `look`."""


@dataclass(frozen=True, slots=True)
class N8nNumbers:
    """What an n8n tells of itself in its metrics.

    Fields:
        version: of n8n, such as "2.40.7"; "" where it does not tell.
        values: each number that has no labels, by its name without the prefix that n8n was given ("n8n_").
    """

    version: str = ""
    values: dict[str, float] = field(default_factory=dict)
