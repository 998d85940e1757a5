"""Old files that are cleared away: which ones, and how it is told. For the actions that do so."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import Field, StrictInt

from recovery.model import About, ClearedFiles, Doors, FileSearch, FoundFile, FoundFiles
from recovery.model.folders import FileName, Folder
from recovery.model.sizes import write_size

__all__ = ["Folders", "MostFiles", "Names", "expected", "find_files", "told", "told_files", "told_left"]

Folders = Annotated[list[Folder], Field(max_length=32)]
Names = Annotated[list[FileName], Field(max_length=100)]
MostFiles = Annotated[StrictInt, Field(ge=1, le=1_000_000)]
SHOWN = 5


def find_files(
    doors: Doors, about: About, folders: list[str], names: list[str], older_than: float, **more: bool | int | float
) -> FoundFiles:
    """The files of those names that were last written to longer ago. Raises DoorError."""
    timeout = float(more.pop("timeout"))
    before = about.now - timedelta(seconds=older_than)
    search = FileSearch(folders=tuple(folders), names=tuple(names), before=before, **more)  # type: ignore[arg-type]
    return doors.files.find(search, timeout)


def expected(found: FoundFiles, owed: Mapping[int, int] | None) -> list[FoundFile]:
    """Those that go until each disk has what it is owed, in bytes by device; all of them for None."""
    if owed is None:
        return list(found.files)
    freed: dict[int, int] = {}
    chosen = []
    for file in found.files:
        if freed.get(file.device, 0) < owed.get(file.device, 0):
            freed[file.device] = freed.get(file.device, 0) + file.frees
            chosen.append(file)
    return chosen


def told_files(files: list[FoundFile]) -> str:
    """The files in words, the first of them by name."""
    first = ", ".join(_shown(f"{file.folder}/{file.path}") for file in files[:SHOWN])
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    size = write_size(sum(file.frees for file in files))
    return f"{counted(len(files))} ({size}), oldest first: {first}{more}"


def told(did: str, cleared: ClearedFiles, folders: list[str]) -> str:
    """What became of them."""
    words = [
        f"{did} {counted(cleared.count)} in {', '.join(folders)}, which freed {write_size(sum(cleared.freed.values()))}"
    ]
    return "; ".join(words + [cleared.problem] * bool(cleared.problem) + told_left(cleared.left))


def told_left(left: Mapping[str, int]) -> list[str]:
    """What stays, and why."""
    return [f"{count} left alone: {why}" for why, count in sorted(left.items())]


def counted(count: int) -> str:
    """So many files."""
    return f"{count} file{'' if count == 1 else 's'}"


def _shown(path: str) -> str:
    """A path as it may be shown: whoever may write there chose its name."""
    text = path.encode(errors="surrogateescape").decode(errors="replace")
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:200]
