"""Processes that are ended with all that they began: asked, waited for, killed; each known by its number and start."""

import os
import signal
import threading
import time
from collections.abc import Iterable, Sequence

from recovery.model import Ended, FoundProcess
from recovery.outside.proc import all_pids, look_at
from recovery.outside.shell import process_start

__all__ = ["end", "trees"]

KILLED_SECONDS = 5.0  # what lives on after it waits in the kernel, for a disk or a driver
ROUNDS = 3


def trees(roots: Iterable[FoundProcess]) -> list[FoundProcess]:
    """These processes and all that descends from them, parents first, as they live now. See `ProcessDoor.trees`."""
    living = [found for pid in all_pids() if (found := look_at(pid))]
    children: dict[int, list[FoundProcess]] = {}
    for one in living:
        children.setdefault(one.parent, []).append(one)
    spared, wanted = _spared(), {(one.pid, one.started) for one in roots}
    waiting = [one for one in living if (one.pid, one.started) in wanted]
    tree: dict[int, FoundProcess] = {}
    while waiting:
        one = waiting.pop(0)
        if one.pid not in tree and one.pid not in spared:
            tree[one.pid] = one
            waiting += children.get(one.pid, [])
    # What another one of them began comes after it, wherever it stood in the list.
    return sorted(tree.values(), key=lambda each: _depth(each, tree))


def _depth(one: FoundProcess, among: dict[int, FoundProcess]) -> int:
    depth, above = 0, among.get(one.parent)
    while above and depth < len(among):
        depth, above = depth + 1, among.get(above.parent)
    return depth


def _spared() -> set[int]:
    """This process, those that it descends from, and the first of the machine."""
    spared, pid = {1}, os.getpid()
    while pid > 1 and pid not in spared:
        spared.add(pid)
        found = look_at(pid)
        pid = found.parent if found else 0
    return spared


def end(processes: Sequence[FoundProcess], grace_seconds: float) -> Ended:
    """End them. See `ProcessDoor.end`."""
    every = dict.fromkeys(trees(processes))
    refused = dict.fromkeys(one for one in every if not _send(one, signal.SIGTERM))
    alive = _still_alive([one for one in every if one not in refused], grace_seconds)
    forced: dict[FoundProcess, None] = {}
    for _ in range(ROUNDS):
        # Held still first, so that none begins another one unseen; what was begun since is ended too.
        for one in alive:
            _send(one, signal.SIGSTOP)
        wave = [one for one in trees(alive) if one not in refused]
        if not wave:
            break
        every |= dict.fromkeys(wave)
        refused |= dict.fromkeys(one for one in wave if not _send(one, signal.SIGKILL))
        forced |= dict.fromkeys(wave)
        alive = _still_alive(wave, KILLED_SECONDS)
    left = [one for one in every if _is_alive(one)]
    gone = [one for one in every if one not in left]
    return Ended(
        gone=tuple(gone),
        forced=tuple(one for one in gone if one in forced),
        alive=tuple(left),
        refused=tuple(one for one in left if one in refused),
    )


def _send(one: FoundProcess, number: signal.Signals) -> bool:
    """Signal just this process, not another one that has got its number; False where this user may not."""
    try:
        file = os.pidfd_open(one.pid)
    except ProcessLookupError:
        return True
    except OSError:  # a kernel without them: the number may change hands between the look and the signal
        file = -1
    try:
        if process_start(one.pid) != one.started or one.pid in _spared():
            return True
        if file >= 0:
            signal.pidfd_send_signal(file, number)
        else:
            os.kill(one.pid, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    finally:
        if file >= 0:
            os.close(file)
    return True


def _is_alive(one: FoundProcess) -> bool:
    found = look_at(one.pid)
    return found is not None and found.started == one.started


def _still_alive(processes: list[FoundProcess], seconds: float) -> list[FoundProcess]:
    """Those that live on after so many seconds; fewer, once none does."""
    end_at, pause = time.monotonic() + seconds, threading.Event()
    while (alive := [one for one in processes if _is_alive(one)]) and time.monotonic() < end_at:
        pause.wait(0.02)
    return alive
