"""Writes the first `medic.yaml` and the files of its secrets: all of it checked before anything is replaced."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from recovery.cli.itself import medic
from recovery.config import Config, ConfigProblems, load_config

MODE, SECRET_MODE, FOLDER_MODE = 0o644, 0o600, 0o700


class CannotWrite(Exception):
    """Nothing was replaced; the message says why and what to do."""


def free_file(folder: Path, name: str, secret: str, taken: Mapping[Path, str]) -> Path:
    """Where a secret goes: a file named after what it is for, and never one that holds anything else."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name).lstrip("_")[:80] or "secret"
    number, path = 1, folder / stem
    while taken.get(path, secret) != secret or not _is_free(path, secret):
        number += 1
        path = folder / f"{stem}_{number}"
    return path


def _is_free(path: Path, secret: str) -> bool:
    if not os.path.lexists(path):
        return True
    try:
        return path.read_text() == f"{secret}\n"
    except (OSError, UnicodeDecodeError):
        return False


def write_checked(
    target: Path, text: str, secrets: Mapping[Path, str], force: bool, env: Mapping[str, str]
) -> tuple[Config, Path | None]:
    """Write the secrets and the file; the configuration as it was loaded, and where the old file is kept now.

    Raises:
        CannotWrite: there is a file already, something cannot be written, or the loader does not take the text.
            Then everything is as it was.
    """
    half = target.with_name(f".{target.name}.new-{os.getpid()}")
    made: list[Path] = []
    try:
        _write_secrets(secrets, made)
        _write_new(half, text.encode(), MODE, made)
        config = load_config(half, env)
        kept = _make_room(target, half, force, made)
        half.replace(target)
    except (ConfigProblems, OSError, CannotWrite) as problem:
        for path in made:
            path.unlink(missing_ok=True)
        raise CannotWrite(_why(problem, half, target)) from None
    return config, kept


def _why(problem: Exception, half: Path, target: Path) -> str:
    if isinstance(problem, ConfigProblems):
        said = str(problem).replace(str(half), str(target))
        return f"The answers do not make a configuration, so nothing was written.\n{said}"
    if isinstance(problem, OSError):
        return f"{problem.filename or target} cannot be written: {problem.strerror}"
    return str(problem)


def refusal(target: Path) -> str:
    """What a person reads where there is a file already."""
    pieces = f"`{medic()} init --print --template KIND` prints pieces to add to it (--list-templates: which)"
    return f"{target} exists already. {pieces}; --force replaces it, and keeps a copy beside it."


def _make_room(target: Path, half: Path, force: bool, made: list[Path]) -> Path | None:
    """Take the name, or keep the old file: a copy, which may hold secrets and is read by nobody else than it was."""
    if not target.exists():
        _write_new(target, b"", MODE, made)
        return None
    if not force:
        raise CannotWrite(refusal(target))
    mode = target.stat().st_mode & 0o777
    half.chmod(mode)
    number, kept = 1, target.with_name(f"{target.name}.bak")
    while kept.exists():
        number += 1
        kept = target.with_name(f"{target.name}.bak{number}")
    _write_new(kept, target.read_bytes(), SECRET_MODE, made)
    kept.chmod(mode)
    return kept


def _write_secrets(secrets: Mapping[Path, str], made: list[Path]) -> None:
    for path, secret in secrets.items():
        path.parent.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        path.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        if path.exists():  # it holds the same
            path.chmod(SECRET_MODE)
        else:
            _write_new(path, f"{secret}\n".encode(), SECRET_MODE, made)


def _write_new(path: Path, content: bytes, mode: int, made: list[Path]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    made.append(path)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
