"""A folder held open, so that whatever happens to its path meanwhile, no link and no mount leads out of it."""

import errno
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import PurePosixPath

from recovery.model import DoorError, Room
from recovery.model.folders import SYSTEM_FOLDERS, WHOLE_FOLDERS

__all__ = ["OpenFolder", "Stays"]

FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
ONLY_PASS = getattr(os, "O_PATH", os.O_RDONLY)  # what lies above may be closed to reading
FIRST_PERSON = 1_000  # user numbers from here on are people's


class Stays(Exception):
    """A file or a folder is left as it is; why, in words."""


class OpenFolder:
    """A named folder. Every folder below is opened by one name in its parent's descriptor, and never through a link.

    Raises DoorError: permanent for a path that holds a link, or is the system's whatever it is called here.
    """

    def __init__(self, path: str):
        self.path = path
        try:
            self.descriptor = _open_path(path)
        except OSError as error:
            raise DoorError(f"{path}: {error.strerror}", "client", permanent=True) from None
        told = os.fstat(self.descriptor)
        self.device, self._mount = told.st_dev, _mount_of(self.descriptor)

    def __enter__(self) -> "OpenFolder":
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self.descriptor)

    @contextmanager
    def below(self, folder: int, name: str) -> Iterator[int]:
        """A folder in an open one, open. Raises Stays where it is none, or another disk is mounted there."""
        try:
            opened = os.open(name, os.O_RDONLY | FOLDER, dir_fd=folder)
        except OSError as error:
            raise Stays("a link" if error.errno in (errno.ELOOP, errno.ENOTDIR) else _words(error)) from None
        try:
            self.keep_in(opened)
            yield opened
        finally:
            os.close(opened)

    def keep_in(self, opened: int) -> None:
        """Raises Stays for what lies on another mount, even of the same disk."""
        if os.fstat(opened).st_dev != self.device or _mount_of(opened) != self._mount:
            raise Stays("on another mount")

    @contextmanager
    def parent_of(self, path: str) -> Iterator[tuple[int, str]]:
        """The folder that holds the file, opened anew from here, and the file's name in it. Raises Stays."""
        *folders, name = path.split("/")
        with self._down(self.descriptor, folders) as folder:
            yield folder, name

    @contextmanager
    def _down(self, folder: int, names: list[str]) -> Iterator[int]:
        if not names:
            yield folder
            return
        with self.below(folder, names[0]) as below, self._down(below, names[1:]) as last:
            yield last

    def room(self) -> Room:
        """How full its disk is."""
        told = os.fstatvfs(self.descriptor)
        used = (told.f_blocks - told.f_bfree) * told.f_frsize
        return Room(used, told.f_bavail * told.f_frsize, told.f_files - told.f_ffree, told.f_favail)


def _words(error: OSError) -> str:
    return str(error.strerror or error).lower()


def _open_path(path: str) -> int:
    parts = PurePosixPath(path).parts[1:]
    system, whole = _identities(SYSTEM_FOLDERS), _identities([*WHOLE_FOLDERS, *_homes()])
    opened = os.open("/", ONLY_PASS | os.O_DIRECTORY | os.O_CLOEXEC)
    for at, part in enumerate(parts):
        flags = FOLDER | (os.O_RDONLY if part is parts[-1] and at == len(parts) - 1 else ONLY_PASS)
        above = opened
        try:
            opened = os.open(part, flags, dir_fd=above)
        except OSError as error:
            raise _no_folder("/" + "/".join(parts[: at + 1]), error) from None
        finally:
            os.close(above)
        if _identity(opened) in system:
            os.close(opened)
            raise DoorError(f"{path} belongs to the system: nothing in it is cleared away", "client", permanent=True)
    if not parts or _identity(opened) in whole:
        os.close(opened)
        raise DoorError(f"{path} holds too much: name a folder in it", "client", permanent=True)
    return opened


def _no_folder(path: str, error: OSError) -> DoorError:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return DoorError(f"{path} is a link or no folder: name the folder itself", "client", permanent=True)
    return DoorError(f"{path}: {error.strerror}", "client", permanent=error.errno in (errno.ENOENT, errno.EACCES))


def _identity(descriptor: int) -> tuple[int, int]:
    told = os.fstat(descriptor)
    return told.st_dev, told.st_ino


def _identities(paths: list[str]) -> set[tuple[int, int]]:
    """Of those that exist: a system's folder may be mounted elsewhere too."""
    found = set()
    for stat in (partial(os.stat, path) for path in paths):
        with suppress(OSError, ValueError):
            found.add((stat().st_dev, stat().st_ino))
    return found


def _homes() -> list[str]:
    people = [one for one in pwd.getpwall() if one.pw_uid >= FIRST_PERSON or one.pw_uid in (0, os.getuid())]
    return [one.pw_dir for one in people if one.pw_dir.startswith("/")]


def _mount_of(descriptor: int) -> str:
    """The number of the mount, which tells a bind mount of the same disk apart; "" where the system does not tell."""
    with suppress(OSError), open(f"/proc/self/fdinfo/{descriptor}") as told:  # noqa: PTH123 no path, a system's word
        for line in told:
            if line.startswith("mnt_id:"):
                return line.split()[1]
    return ""
