"""A root file system of its own for commands, without Docker: this machine's, with what they change laid over it.

As Docker does it, by an overlay in a mount namespace of the command's own. Needs root and overlayfs.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.container.compose import ROOT, instructions

CAN_OVERLAY = os.geteuid() == 0 and "overlay" in Path("/proc/filesystems").read_text() and bool(shutil.which("unshare"))
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # as the image of Python has it


@dataclass
class Room:
    """One root file system; `folder` must be on a tmpfs, for an overlay cannot lie over itself.

    Fields:
        env, workdir, user: as the image sets them.
    """

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "root"

    def __post_init__(self) -> None:
        for name in ("upper", "work", "merged"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def path(self, inside: str) -> Path:
        """Where something that was written inside lies."""
        return self.folder / "upper" / inside.lstrip("/")

    def begin(self, command: Sequence[str], user: str = "", **more: Any) -> subprocess.Popen[bytes]:
        """Start a command inside.

        `more`: read_only, tmpfs (paths with options), binds (folders outside to paths inside), env, log.
        """
        env = {"PATH": PATH, **self.env, **more.get("env", {})}
        script = self._script(command, user or self.user, more)
        log = more.get("log") or subprocess.DEVNULL
        return subprocess.Popen(
            ["unshare", "--mount", "sh", "-euc", script], env=env, stdout=log, stderr=subprocess.STDOUT
        )

    def run(self, command: Sequence[str], user: str = "", **more: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a command inside until its end."""
        out = self.folder / "out"
        with out.open("wb") as log:
            code = self.begin(command, user, **{**more, "log": log}).wait(300)
        return subprocess.CompletedProcess(command, code, out.read_bytes())

    def _script(self, command: Sequence[str], user: str, more: dict[str, Any]) -> str:
        here = shlex.quote(str(self.folder))
        root = f"{here}/merged"
        # Two mounts may not share a layer that can be written: who runs beside others runs read-only.
        written = f"upperdir={here}/upper,workdir={here}/work,lowerdir=/"
        layers = f"lowerdir={here}/upper:/" if more.get("read_only") else written
        lines = [
            f"mount -t overlay overlay -o {layers} {root}",
            f"mount -t proc proc {root}/proc",
            f"mount --rbind /dev {root}/dev",
        ]
        for outside, inside in more.get("binds", {}).items():
            self.path(inside).mkdir(parents=True, exist_ok=True)
            lines.append(f"mount --bind {shlex.quote(str(outside))} {root}{inside}")
        for mount in more.get("tmpfs", []):
            inside, _, options = mount.partition(":")
            lines.append(f"mount -t tmpfs -o {options or 'mode=1777'} tmpfs {root}{inside}")
        inner = f"cd {shlex.quote(self.workdir)} && exec {shlex.join(command)}"
        return "\n".join([*lines, f"exec chroot --userspec={user} {root} /bin/sh -c {shlex.quote(inner)}"])


def build(folder: Path) -> Room:
    """Carry out the Dockerfile, each command as it stands there, on this machine's Debian and Python."""
    rooms: dict[str, Room] = {}
    room = Room(folder / "none")
    for name, value in instructions():
        match name:
            case "FROM":
                room = _enter(folder, value, rooms)
            case "RUN":
                done = room.run(["/bin/sh", "-c", value])
                assert done.returncode == 0, f"{value}\n{done.stdout.decode(errors='replace')[-3000:]}"
            case "COPY":
                _copy(value, room, rooms)
            case "ENV":
                for one in shlex.split(value):
                    key, _, given = one.partition("=")
                    room.env[key] = given.replace("$PATH", PATH)
            case "WORKDIR":
                room.workdir = value
                room.path(value).mkdir(parents=True, exist_ok=True)
            case "USER":
                room.user = value
            case "LABEL" | "VOLUME" | "EXPOSE" | "HEALTHCHECK" | "CMD":
                pass
            case _:
                raise AssertionError(f"nobody here carries out {name}")
    return room


def _enter(folder: Path, value: str, rooms: dict[str, Room]) -> Room:
    stage = value.partition(" AS ")[2] or "last"
    rooms[stage] = room = Room(folder / stage)
    room.path("/usr/local/bin").mkdir(parents=True)
    room.path("/usr/local/bin/python").symlink_to("/usr/bin/python3")
    return room


def _copy(value: str, room: Room, rooms: dict[str, Room]) -> None:
    words = shlex.split(value)
    origin = words[0].removeprefix("--from=") if words[0].startswith("--from=") else ""
    *sources, target = words[1:] if origin else words
    for source in sources:
        found = rooms[origin].path(source) if origin else ROOT / source
        place = room.path(target if target.startswith("/") else f"{room.workdir}/{target}")
        if found.is_dir():
            shutil.copytree(
                found, place, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(found, place / found.name if target.endswith("/") else place)
