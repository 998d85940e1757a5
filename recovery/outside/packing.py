"""A file packed beside itself with gzip, so that at no moment neither the file nor its whole packed copy is there."""

import gzip
import os
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from recovery.outside.folders import Stays

__all__ = ["PACKED", "PART", "OutOfTime", "pack"]

PACKED, PART = ".gz", ".medic-part"
PIECE_BYTES = 1_048_576
LEVEL = 6
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MAKE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class OutOfTime(Exception):
    """The deadline came first; nothing of it is left."""


def pack(folder: int, name: str, source: int, end: float) -> int:
    """Pack the file that is open as `source` into `<name>.gz`, and remove it; the bytes that its disk gained.

    The copy is written beside it under a name of its own, brought to the disk, and only then named. It has the
    file's owner, its rights without any special bits, and its times.

    Raises:
        Stays: another file has that name, or this one was written to meanwhile.
        OutOfTime: `end` of the monotonic clock came first.
    """
    before, part = os.fstat(source), f".{name}{PART}"
    with suppress(FileNotFoundError):
        os.unlink(part, dir_fd=folder)  # of a run that was killed
    with _opened(part, MAKE, folder) as copy:
        try:
            _write(source, copy, end)
            _take_after(copy.fileno(), before)
            named = _name(folder, part, name, source, end)
        finally:
            os.unlink(part, dir_fd=folder)
        packed = os.fstat(copy.fileno()).st_blocks
    os.fsync(folder)
    _leave(folder, name, before, named)
    return max(0, (before.st_blocks - packed) * 512)


@contextmanager
def _opened(name: str, flags: int, folder: int) -> Iterator[BinaryIO]:
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "rb" if flags == READ else "w+b") as file:
        yield file


def _write(source: int, copy: BinaryIO, end: float) -> None:
    os.lseek(source, 0, os.SEEK_SET)
    with gzip.GzipFile("", "wb", LEVEL, copy, mtime=0) as packed:
        while piece := os.read(source, PIECE_BYTES):
            _in_time(end)
            packed.write(piece)
    copy.flush()


def _in_time(end: float) -> None:
    if time.monotonic() > end:
        raise OutOfTime


def _take_after(copy: int, before: os.stat_result) -> None:
    with suppress(PermissionError):
        os.fchown(copy, before.st_uid, before.st_gid)
    os.fchmod(copy, stat.S_IMODE(before.st_mode) & 0o777)
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.fsync(copy)


def _name(folder: int, part: str, name: str, source: int, end: float) -> bool:
    """Whether it was named now. A link takes no name that is taken; what a killed run has named already is as good."""
    try:
        os.link(part, name + PACKED, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        if not _holds(folder, name + PACKED, source, end):
            raise Stays(f"a file with {PACKED} after its name is there") from None
        return False
    return True


def _leave(folder: int, name: str, before: os.stat_result, named: bool) -> None:
    """Remove the file, or else its copy: one that was written to since is packed another time."""
    try:
        _check_same(folder, name, before)
    except (OSError, Stays):
        if named:
            os.unlink(name + PACKED, dir_fd=folder)
        raise
    os.unlink(name, dir_fd=folder)


def _holds(folder: int, packed_name: str, source: int, end: float) -> bool:
    os.lseek(source, 0, os.SEEK_SET)
    try:
        with _opened(packed_name, READ, folder) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return False
            with gzip.GzipFile(fileobj=file) as packed:
                return _equal(source, packed, end)
    except (OSError, EOFError, ValueError, zlib.error):
        return False


def _equal(source: int, packed: gzip.GzipFile, end: float) -> bool:
    while piece := os.read(source, PIECE_BYTES):
        _in_time(end)
        if packed.read(len(piece)) != piece:
            return False
    return not packed.read(1)


def _check_same(folder: int, name: str, before: os.stat_result) -> None:
    now = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns) != (
        before.st_dev, before.st_ino, before.st_size, before.st_mtime_ns,
    ):  # fmt: skip
        raise Stays("changed meanwhile")
