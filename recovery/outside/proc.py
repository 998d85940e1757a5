"""What /proc tells of one process, read by hand, which costs the least."""

import os
from pathlib import Path

from recovery.model import FoundProcess
from recovery.outside.shell import process_start

__all__ = ["all_pids", "look_at"]


def all_pids() -> list[int]:
    """The numbers of all processes."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 a Path each would double it


def look_at(pid: int, name: str = "", command: str = "") -> FoundProcess | None:
    """The process of that number, where it lives (no zombie) and fits; never this one by its command line."""
    own, _, rest = _read(f"/proc/{pid}/stat").partition("(")[2].rpartition(")")
    state, parent = rest.split()[:2] if rest else ("X", "0")
    # The kernel cuts names to 15 bytes.
    if state in "ZX" or (name and own != name[:15]):
        return None
    words = _read(f"/proc/{pid}/cmdline").replace("\0", " ").strip() if command or len(name) > 15 else ""
    if (command and command not in words) or (len(name) > 15 and name not in words):
        return None
    if command and pid == os.getpid():
        return None
    return FoundProcess(pid, process_start(pid) or 0.0, own, int(parent))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:  # it has ended meanwhile
        return ""
