"""Files inside folders that the configuration names: found, removed or packed, and never anything else.

Between a look and a deed everything may be swapped: a file for a link, a folder for a link to `/etc`. So whatever is
done goes by descriptors of folders that were opened without following links, to a file that is still the same one.
"""

import heapq
import os
import stat
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain
from pathlib import Path
from posixpath import basename

from recovery.model import ClearedFiles, DoorError, FileSearch, FoundFile, FoundFiles, Room
from recovery.outside.bounded import Bounded
from recovery.outside.folders import OpenFolder, Stays
from recovery.outside.packing import PACKED, PART, READ, OutOfTime, pack

__all__ = ["Files"]

DEEPEST = 32
PROC = Path("/proc")


class Files:
    """Files as a `FilesDoor` shows them. A disk may hang for ever, so it is waited for only so long."""

    def __init__(self) -> None:
        self._bounded = Bounded()

    def find(self, search: FileSearch, timeout_seconds: float) -> FoundFiles:
        """Look, and touch nothing. See `FilesDoor.find`."""
        look = _Look(search, time.monotonic() + timeout_seconds)
        return self._bounded.call(look.name, look.find, timeout_seconds)

    def clear(
        self, found: FoundFiles, pack: bool, owed: Mapping[int, int] | None, timeout_seconds: float
    ) -> ClearedFiles:
        """Remove or pack them. See `FilesDoor.clear`."""
        clearing = _Clearing(pack, owed, time.monotonic() + timeout_seconds)
        name = _named(sorted({file.folder for file in found.files}))
        # It ends itself at the deadline, between two files: only a disk that hangs is given up.
        return self._bounded.call(name, partial(clearing.clear, found), timeout_seconds + 5)


def _named(folders: list[str]) -> str:
    return f"the files in {', '.join(folders)}"


class _Look:
    """One look for files, until `end` of the monotonic clock."""

    def __init__(self, search: FileSearch, end: float):
        self._search, self._end = search, end
        self._before_ns = int(search.before.timestamp()) * 10**9
        self._left: Counter[str] = Counter()
        self.name = _named(list(search.folders))

    def find(self) -> FoundFiles:
        rooms: dict[int, Room] = {}
        places: dict[int, str] = {}
        with ExitStack() as stack:
            roots = [stack.enter_context(OpenFolder(path)) for path in self._search.folders]
            for root in roots:
                rooms[root.device], places[root.device] = root.room(), root.path
            oldest = heapq.nsmallest(self._search.most, chain.from_iterable(map(self._below, roots)), key=_age)
        once = {f"{file.folder}/{file.path}": file for file in oldest}  # of two folders one may lie in the other
        return FoundFiles(tuple(self._let_go(list(once.values()))), dict(self._left), rooms, places)

    def _below(self, root: OpenFolder) -> Iterator[FoundFile]:
        for path, told in self._walk(root, root.descriptor, "", 0):
            names = 1 if told.st_nlink == 1 else 0
            frees = told.st_blocks * 512 * names
            yield FoundFile(root.path, path, frees, told.st_mtime_ns, told.st_size, told.st_dev, told.st_ino)

    def _walk(self, root: OpenFolder, folder: int, above: str, deep: int) -> Iterator[tuple[str, os.stat_result]]:
        below = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if time.monotonic() > self._end:
                    raise DoorError(f"{self.name}: there are too many to look through in time", "timeout")
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
                elif told := self._meant(entry):
                    yield above + entry.name, told
        for name in below if self._search.deep else ():
            yield from self._walk_below(root, folder, above, name, deep + 1)

    def _walk_below(
        self, root: OpenFolder, folder: int, above: str, name: str, deep: int
    ) -> Iterator[tuple[str, os.stat_result]]:
        if deep > DEEPEST:
            self._left["too deep"] += 1
            return
        try:
            with root.below(folder, name) as opened:
                yield from self._walk(root, opened, f"{above}{name}/", deep)
        except Stays as why:
            self._left[str(why)] += 1

    def _meant(self, entry: "os.DirEntry[str]") -> os.stat_result | None:
        """What is known of it where it is meant: a plain file of that name, old enough."""
        name = entry.name
        if not any(
            fnmatchcase(name, one) and name.startswith(".") <= one.startswith(".") for one in self._search.names
        ):
            return None
        if not self._search.packed and name.endswith((PACKED, PART)):
            return None
        try:
            told = entry.stat(follow_symlinks=False)
        except OSError:  # gone since
            return None
        if not stat.S_ISREG(told.st_mode):
            self._left["a link" if stat.S_ISLNK(told.st_mode) else "no plain file"] += 1
            return None
        return told if told.st_mtime_ns < self._before_ns else None

    def _let_go(self, files: list[FoundFile]) -> Iterator[FoundFile]:
        held = _held(files)
        for file in files:
            if (file.device, file.inode) in held:
                self._left["open in a process"] += 1
            else:
                yield file


def _age(file: FoundFile) -> tuple[int, str]:
    return file.modified_ns, file.path


def _held(files: list[FoundFile]) -> set[tuple[int, int]]:
    """Which of them a process of this machine, that we may see into, has open: it would write on into nothing.

    Only what has the name of one of them is looked at: what else is open may be on a disk that hangs.
    """
    names, found = {basename(file.path) for file in files}, set()
    for process in PROC.glob("[0-9]*/fd") if names else ():
        with suppress(OSError):
            for opened in process.iterdir():
                with suppress(OSError):
                    if opened.readlink().name in names:
                        told = opened.stat()
                        found.add((told.st_dev, told.st_ino))
    return found


class _Clearing:
    """One removing or packing of files, until `end` of the monotonic clock."""

    def __init__(self, pack: bool, owed: Mapping[int, int] | None, end: float):
        self._pack, self._owed, self._end = pack, owed, end
        self._left: Counter[str] = Counter()
        self._freed: Counter[int] = Counter()
        self._count = 0

    def clear(self, found: FoundFiles) -> ClearedFiles:
        problem = ""
        with ExitStack() as stack:
            roots = {
                path: stack.enter_context(OpenFolder(path)) for path in sorted({one.folder for one in found.files})
            }
            held = _held(list(found.files))
            try:
                for file in found.files:
                    self._one(roots[file.folder], file, held)
            except OutOfTime:
                problem = "the time for it was over"
            rooms = {root.device: root.room() for root in roots.values()}
        return ClearedFiles(self._count, dict(self._freed), dict(self._left), {**found.rooms, **rooms}, problem)

    def _one(self, root: OpenFolder, file: FoundFile, held: set[tuple[int, int]]) -> None:
        if self._owed is not None and self._freed[file.device] >= self._owed.get(file.device, 0):
            return
        if time.monotonic() > self._end:
            raise OutOfTime
        try:
            if (file.device, file.inode) in held:
                raise Stays("open in a process")
            with root.parent_of(file.path) as (folder, name):
                self._freed[file.device] += (
                    self._packed(root, folder, name, file) if self._pack else _remove(folder, name, file)
                )
        except Stays as why:
            self._left[str(why)] += 1
        except OSError as error:
            self._left[str(error.strerror or error).lower()] += 1
        else:
            self._count += 1

    def _packed(self, root: OpenFolder, folder: int, name: str, file: FoundFile) -> int:
        source = os.open(name, READ, dir_fd=folder)
        try:
            told = os.fstat(source)
            _keep_same(told, file)
            root.keep_in(source)
            if told.st_nlink != 1:  # its other name may stand where we should not look
                raise Stays("it has another name too")
            return pack(folder, name, source, self._end)
        finally:
            os.close(source)


def _remove(folder: int, name: str, file: FoundFile) -> int:
    _keep_same(os.stat(name, dir_fd=folder, follow_symlinks=False), file)
    os.unlink(name, dir_fd=folder)
    return file.frees


def _keep_same(told: os.stat_result, file: FoundFile) -> None:
    now = (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns)
    if not stat.S_ISREG(told.st_mode) or now != (file.device, file.inode, file.size, file.modified_ns):
        raise Stays("changed meanwhile")
