"""Processes of this host: found by name, command line or PID file, watched so that a death is seen at once, ended."""

import os
import select
import stat
import threading
from collections.abc import Callable, Iterable, Sequence

from recovery.model import DoorError, Ended, FoundProcess, Owner
from recovery.outside import ending
from recovery.outside.bounded import Bounded
from recovery.outside.control_groups import owner_of
from recovery.outside.proc import all_pids, look_at

__all__ = ["Processes"]

READ_SECONDS = 5.0


class Processes:
    """This host's processes, as a `ProcessDoor` sees them, read from /proc, which costs the least."""

    def __init__(self) -> None:
        self._watch = _Watch()
        self._bounded = Bounded()

    def find(self, name: str = "", command: str = "", pid_file: str = "") -> list[FoundProcess]:
        """The living processes that fit. See `ProcessDoor.find`."""
        pids = [self._pid_in(pid_file)] if pid_file else all_pids()
        return [found for pid in pids if pid and (found := look_at(pid, name, command))]

    def _pid_in(self, pid_file: str) -> int:
        try:
            text = self._bounded.call(f"the PID file {pid_file}", lambda: _text_of(pid_file), READ_SECONDS).strip()[:20]
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as problem:
            why = getattr(problem, "strerror", None) or str(problem)
            raise DoorError(f"the PID file {pid_file} cannot be read: {why}", "client") from None
        return int(text) if text.isascii() and text.isdigit() else 0

    def owner(self, pid: int) -> Owner:
        """Whose a process is. See `ProcessDoor.owner`."""
        return owner_of(pid)

    def watch(self, key: str, pids: Iterable[int], died: Callable[[str], None]) -> None:
        """Tell when any of them has died. See `ProcessDoor.watch`."""
        self._watch.set(key, frozenset(pids), died)

    def trees(self, roots: Sequence[FoundProcess]) -> list[FoundProcess]:
        """With all that they began. See `ProcessDoor.trees`."""
        return ending.trees(roots)

    def end(self, processes: Sequence[FoundProcess], grace_seconds: float) -> Ended:
        """End them with all that they began. See `ProcessDoor.end`."""
        return ending.end(processes, grace_seconds)


def _text_of(path: str) -> str:
    """The beginning of a regular file. A pipe would be waited for, and a device never ends."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise ValueError("it is no regular file")
        return os.read(number, 200).decode(errors="replace")
    finally:
        os.close(number)


class _Watch:
    """Waits on the pidfds of all watched processes, in one thread that begins with the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, dict[int, int]] = {}
        self._owners: dict[int, tuple[str, int, Callable[[str], None]]] = {}
        self._poll: select.epoll | None = None

    def set(self, key: str, pids: frozenset[int], died: Callable[[str], None]) -> None:
        with self._lock:
            held = self._keys.setdefault(key, {})
            for pid in [one for one in held if one not in pids]:
                self._drop(held.pop(pid))
            gone = [pid for pid in pids if pid not in held and not self._take(key, pid, died)]
        if gone:
            died(key)

    def _take(self, key: str, pid: int, died: Callable[[str], None]) -> bool:
        try:
            file = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        except OSError:  # a kernel without pidfds: the next look sees it
            return True
        self._keys[key][pid] = file
        self._owners[file] = (key, pid, died)
        if self._poll is None:
            self._poll = select.epoll()
            threading.Thread(target=self._wait, name="deaths", daemon=True).start()
        self._poll.register(file, select.EPOLLIN)
        return True

    def _drop(self, file: int) -> None:
        self._owners.pop(file, None)
        if self._poll:
            self._poll.unregister(file)
        os.close(file)

    def _wait(self) -> None:
        while self._poll:
            for file, _ in self._poll.poll():
                with self._lock:
                    owner = self._owners.get(file)
                    if owner:
                        self._keys[owner[0]].pop(owner[1], None)
                        self._drop(file)
                if owner:
                    owner[2](owner[0])
