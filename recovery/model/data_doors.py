"""The doors through which actions clear away what stands in the way: files, cached keys, connections to databases."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from recovery.model.sights import DatabaseAddress, Room

__all__ = [
    "CacheDoor",
    "ClearedFiles",
    "ClearedKeys",
    "EndedSessions",
    "FileSearch",
    "FilesDoor",
    "FoundFile",
    "FoundFiles",
    "FoundKeys",
    "Session",
    "SessionDoor",
    "SessionRule",
]


@dataclass(frozen=True, slots=True)
class FileSearch:
    """Which files are meant.

    Fields:
        folders: absolute paths, free of links. names: patterns of names; one that begins with a dot is meant only
            where the pattern does too. deep: in the folders below as well.
        before: when they were last written to at the latest.
        packed: whether those that are packed already (`.gz`) are meant too.
        most: this many at most, the oldest.
    """

    folders: tuple[str, ...]
    names: tuple[str, ...]
    before: datetime
    deep: bool = True
    packed: bool = True
    most: int = 10_000


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, with all by which it is known again.

    Fields:
        folder: the folder that was named. path: below it, as the system tells it: not to be shown as it is.
        frees: bytes that its disk gains without it; 0 where it has another name.
    """

    folder: str
    path: str
    frees: int
    modified_ns: int
    size: int
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The files that are meant, the oldest first.

    Fields:
        left: how many files or folders below stay, by why. rooms: by the device of its disk, the room there.
        places: by device, a named folder on it.
    """

    files: tuple[FoundFile, ...] = ()
    left: Mapping[str, int] = field(default_factory=dict)
    rooms: Mapping[int, Room] = field(default_factory=dict)
    places: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClearedFiles:
    """What became of files.

    Fields:
        count: how many went. freed: the bytes of that by device. left: how many stayed, by why.
        rooms: by device, the room that is now.
        problem: what ended it early, in words; "" where nothing did.
    """

    count: int
    freed: Mapping[int, int] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)
    rooms: Mapping[int, Room] = field(default_factory=dict)
    problem: str = ""


class FilesDoor(Protocol):
    """Files inside folders that the configuration names: nothing outside of them, and nothing through a link."""

    def find(self, search: FileSearch, timeout_seconds: float) -> FoundFiles:
        """Look, and touch nothing. Raises DoorError: permanent for a folder that is a link or never allowed."""

    def clear(
        self, found: FoundFiles, pack: bool, owed: Mapping[int, int] | None, timeout_seconds: float
    ) -> ClearedFiles:
        """Remove the files in order, or pack each (gzip) beside itself, as far as they are still those that were found.

        `owed`: by device, how many bytes are to be freed there; it stops on that disk once they are. None: all files.
        Raises DoorError where a folder cannot be opened any more.
        """


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """How many keys fit (counted up to a limit), and how many the database has."""

    count: int
    total: int


@dataclass(frozen=True, slots=True)
class ClearedKeys:
    """How many keys went.

    Fields:
        more: others that fit stay, because it was to be no more.
        problem: what ended it early, in words; "" where nothing did.
    """

    count: int
    more: bool = False
    problem: str = ""


class CacheDoor(Protocol):
    """Keys of a Redis. The keys of n8n's own queue (`bull:...`) are never touched."""

    def find(self, address: DatabaseAddress, pattern: str, most: int, timeout_seconds: float) -> FoundKeys:
        """Count those that fit, up to `most`, and touch nothing; "" counts none but the total. Raises DoorError."""

    def remove(self, address: DatabaseAddress, pattern: str, most: int, timeout_seconds: float) -> ClearedKeys:
        """Remove those that fit, in batches and without blocking the server. Raises DoorError where none was."""

    def flush(self, address: DatabaseAddress, most: int, timeout_seconds: float) -> ClearedKeys:
        """Empty a database. Raises DoorError: permanent where it holds more than `most` keys, or n8n's queue."""


@dataclass(frozen=True, slots=True)
class SessionRule:
    """Which connections are to end.

    Fields:
        idle_seconds: those that are idle in an open transaction for longer; None: not for that.
        blocking_seconds: those that others wait for longer than this, and that wait for none; None: not for that.
        users, databases: only theirs; () for all. most: this many at most, the longest first.
    """

    idle_seconds: float | None
    blocking_seconds: float | None
    users: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    most: int = 10


@dataclass(frozen=True, slots=True)
class Session:
    """A connection to a database.

    Fields:
        pid: its number in the server. why: "idle in transaction" or "blocking others". seconds: for how long.
        mark: what tells its transaction from a later one.
    """

    pid: int
    user: str
    database: str
    why: str
    seconds: float
    mark: str


@dataclass(frozen=True, slots=True)
class EndedSessions:
    """What became of connections: ended; gone, or in another transaction, before that; refused, with why."""

    ended: tuple[Session, ...] = ()
    gone: tuple[Session, ...] = ()
    refused: tuple[tuple[Session, str], ...] = ()


class SessionDoor(Protocol):
    """Connections that others hold to a PostgreSQL, a MySQL or a MariaDB."""

    def find(self, address: DatabaseAddress, rule: SessionRule, timeout_seconds: float) -> tuple[Session, ...]:
        """Those that the rule means; never our own, a superuser's, or one of the server itself. Raises DoorError."""

    def end(
        self, address: DatabaseAddress, rule: SessionRule, sessions: tuple[Session, ...], timeout_seconds: float
    ) -> EndedSessions:
        """End those of them that the rule still means, in the same transaction. Raises DoorError."""
