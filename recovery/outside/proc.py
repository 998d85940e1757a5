"""What /proc tells of one process, read by hand, which costs the least."""

import os
from pathlib import Path

from recovery.model import FoundProcess
from recovery.outside.shell import process_start

__all__ = ["all_pids", "look_at", "read_text", "who_has_open"]


def all_pids() -> list[int]:
    """The numbers of all processes."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 a Path each would double it


def look_at(pid: int, name: str = "", command: str = "") -> FoundProcess | None:
    """The process of that number, where it lives (no zombie) and fits; never this one by its command line."""
    own, _, rest = read_text(f"/proc/{pid}/stat").partition("(")[2].rpartition(")")
    state, parent = rest.split()[:2] if rest else ("X", "0")
    # The kernel cuts names to 15 bytes.
    if state in "ZX" or (name and own != name[:15]):
        return None
    words = read_text(f"/proc/{pid}/cmdline").replace("\0", " ").strip() if command or len(name) > 15 else ""
    if (command and command not in words) or (len(name) > 15 and name not in words):
        return None
    if command and pid == os.getpid():
        return None
    return FoundProcess(pid, process_start(pid) or 0.0, own, int(parent))


def who_has_open(path: str) -> list[int]:
    """The processes that have a file open, as far as this user may see them."""
    found = []
    for pid in all_pids():
        try:
            files = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208 as above
        except OSError:  # it has ended, or it is another user's
            continue
        if any(_link(f"/proc/{pid}/fd/{one}") == path for one in files):
            found.append(pid)
    return found


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 as above
    except OSError:
        return ""


def read_text(path: str) -> str:
    """A file of /proc; "" where its process has ended."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:  # it has ended meanwhile
        return ""
