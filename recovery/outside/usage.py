"""How full this machine is."""

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from recovery.model import DoorError, Room, Usage
from recovery.outside.bounded import Bounded

__all__ = ["MachineUsage"]

FILE_NR = Path("/proc/sys/fs/file-nr")
IDLE = ("idle", "iowait")


class MachineUsage:
    """This machine as a `UsageDoor` shows it. A file system may hang for ever, so each is waited for only so long."""

    def __init__(self) -> None:
        self._bounded = Bounded()

    def look(self, paths: list[str], timeout_seconds: float) -> Usage:
        """Its state now. See `UsageDoor.look`."""
        rooms = {path: self._bounded.call(path, partial(_room, path), timeout_seconds) for path in paths}
        try:
            cpu, memory, swap = psutil.cpu_times(), psutil.virtual_memory(), psutil.swap_memory()
            used, most, whose = max(_open_files(), key=lambda one: one[0] / one[1], default=(0, 0, ""))
            load, cores = psutil.getloadavg()[1], psutil.cpu_count() or 1
        except (OSError, psutil.Error) as error:
            raise DoorError(f"this machine does not tell how full it is: {error}") from None
        times = cpu._asdict()
        guests = times.get("guest", 0.0) + times.get("guest_nice", 0.0)  # they are counted as user time already
        return Usage(
            cpu_seconds=sum(times.values()) - guests,
            cpu_idle_seconds=sum(times.get(kind, 0.0) for kind in IDLE),
            memory_used=memory.total - memory.available,
            memory_total=memory.total,
            swap_used=swap.used,
            swap_total=swap.total,
            load=load,
            cores=cores,
            files_used=used,
            files_most=most,
            files_of=whose,
            rooms=rooms,
        )


def _room(path: str) -> Room:
    try:
        disk, told = psutil.disk_usage(path), os.statvfs(path)
    except (OSError, ValueError) as error:
        raise DoorError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return Room(disk.used, disk.free, told.f_files - told.f_ffree, told.f_favail)


def _open_files() -> Iterator[tuple[int, int, str]]:
    """How many files are open, how many may be, and whose: of the machine, and of each process that we may see."""
    with suppress(OSError, ValueError, IndexError):
        words = FILE_NR.read_text().split()
        yield int(words[0]), int(words[2]), "the machine"
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError, AttributeError, ValueError):
            most = process.rlimit(psutil.RLIMIT_NOFILE)[0]
            if most > 0:  # -1 is no limit
                yield process.num_fds(), most, f"{process.name()} ({process.pid})"
