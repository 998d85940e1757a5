"""This host: the process groups that commands of ours began, told apart from strangers that got the same numbers."""

import os
import threading
import time

import psutil

from recovery.outside.shell import MARK_VARIABLE, process_start

__all__ = ["Machine", "living_members"]

GRACE_SECONDS = 2.0
SAME_START_SECONDS = 0.005  # starts are counted in ticks of 10 ms


class Machine:
    """This host, as a `MachineDoor` sees it."""

    def end_group(self, group: int, started: float) -> None:
        """End every member of that group, first asking and 2 s later without asking. Does nothing to any other."""
        for _ in range(3):  # a member may have begun another one while we looked
            members = living_members(group, started)
            if not members:
                return
            _signal(members, "terminate")
            alive = _still_alive(members)
            _signal(alive, "kill")
            _still_alive(alive)


def living_members(group: int, started: float) -> list[psutil.Process]:
    """The living members of the group that began at `started` (seconds since boot).

    While its leader lives, its start tells whether it is still the same group. A number is not given away while a
    group bears it, but it is afterwards: without the leader only those that carry the mark of the command count.
    """
    if group <= 1 or group == os.getpgrp():
        return []
    found = [process for pid in psutil.pids() if _group_of(pid) == group and (process := _process(pid))]
    leader_start = process_start(group)
    if leader_start is not None and abs(leader_start - started) > SAME_START_SECONDS:
        return []
    mark = f"{group}.{round(started * os.sysconf('SC_CLK_TCK'))}"
    return [one for one in found if _is_alive(one) and (leader_start is not None or _mark_of(one) == mark)]


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False


def _still_alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that live on after the grace. Not `psutil.wait_procs`: it would take exit codes that are not ours."""
    end = time.monotonic() + GRACE_SECONDS
    pause = threading.Event()
    while (alive := [one for one in processes if _is_alive(one)]) and time.monotonic() < end:
        pause.wait(0.02)
    return alive


def _mark_of(process: psutil.Process) -> str:
    try:
        return process.environ().get(MARK_VARIABLE, "")
    except (psutil.Error, OSError):
        return ""


def _signal(processes: list[psutil.Process], how: str) -> None:
    for process in processes:
        try:
            getattr(process, how)()
        except psutil.Error:  # it has ended, or it is not ours to end
            pass
