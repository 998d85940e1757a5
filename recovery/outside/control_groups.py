"""Whose a process is: the systemd service or the Docker container that its control group names."""

import re

from recovery.model import Owner
from recovery.outside.proc import look_at, read_text

__all__ = ["owner_in", "owner_of"]

# cgroup v1 and v2, with Docker's drivers cgroupfs (/docker/<id>) and systemd (/system.slice/docker-<id>.scope).
_CONTAINER = re.compile(r"(?:/docker/|/docker-)([0-9a-f]{64})(?:\.scope)?(?=/|$)")
_UNIT = re.compile(r"/([A-Za-z0-9:_.@\\-]+\.service)(?=/|$)")
_USERS_OWN = re.compile(r"/user\.slice/|/user@[0-9]+\.service/")


def owner_of(pid: int) -> Owner:
    """Whose the process of that number is; nobody's where it has ended."""
    found = look_at(pid)
    return owner_in(read_text(f"/proc/{pid}/cgroup"), found.name) if found else Owner()


def owner_in(text: str, name: str = "") -> Owner:
    """What the text of a `/proc/<pid>/cgroup` says. A container's processes are its own, whatever unit runs Docker.

    What runs in a login, or under a user's own systemd, is no service of the system.
    """
    paths = [line.split(":", 2)[2] for line in text.splitlines() if line.count(":") >= 2]
    containers = [found[0] for path in paths if (found := _CONTAINER.findall(path))]
    if containers:
        return Owner(name, container=containers[0])
    units = [found[0] for path in paths if not _USERS_OWN.search(path) and (found := _UNIT.findall(path))]
    return Owner(name, unit=units[0] if units else "")
