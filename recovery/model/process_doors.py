"""This host's processes as plugins see them: found, watched and ended."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Ended", "FoundProcess", "Owner", "ProcessDoor"]


@dataclass(frozen=True, slots=True)
class FoundProcess:
    """A living process: its number, when it began (seconds since boot), its name, and its parent's number."""

    pid: int
    started: float
    name: str
    parent: int = 0


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a process is, as its control group says.

    Fields:
        process: its name; "" where it has ended.
        unit: the systemd service of the system that it belongs to; "" where there is none.
        container: the id of its Docker container, 64 hex digits; "" where it is in none.
    """

    process: str = ""
    unit: str = ""
    container: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of processes that were to end.

    Fields:
        gone: those that have ended. forced: of these, those that had to be killed.
        alive: those that live on all the same. refused: of these, those that this user may not end.
    """

    gone: tuple[FoundProcess, ...] = ()
    forced: tuple[FoundProcess, ...] = ()
    alive: tuple[FoundProcess, ...] = ()
    refused: tuple[FoundProcess, ...] = ()


class ProcessDoor(Protocol):
    """This host's processes."""

    def find(self, name: str = "", command: str = "", pid_file: str = "") -> list[FoundProcess]:
        """The living processes (no zombies) of that name, with that in their command line, or of that PID file.

        Raises DoorError where the PID file is there and cannot be read.
        """

    def owner(self, pid: int) -> Owner:
        """Whose a process is; nobody's where it has ended."""

    def watch(self, key: str, pids: Iterable[int], died: Callable[[str], None]) -> None:
        """Call `died(key)` as soon as any of the processes has died, from another thread; replaces those of the key."""

    def trees(self, roots: Sequence[FoundProcess]) -> list[FoundProcess]:
        """These processes with all that they began, parents first; without any that `end` would spare."""

    def end(self, processes: Sequence[FoundProcess], grace_seconds: float) -> Ended:
        """Ask them and all that they began to end, and end what lives on after the grace (seconds) without asking.

        A process is its number and its start: another one that has got the number since is never touched. Nor are this
        process, those that it descends from, and the first of the machine.
        """
