"""The secrets that n8n-medic makes for itself: once, in the data directory, readable by its owner only."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recovery.config.problems import ConfigProblems, Problem
from recovery.config.settings import SCOPED_NAMES, SECRET_NAMES, Config
from recovery.model.secrets import read_secret_file

LOCK = ".secrets.lock"


def secret_path(config: Config, name: str) -> Path:
    """Where a generated secret is kept."""
    return config.data_dir / name


def ensure_secrets(config: Config) -> tuple[Config, bool]:
    """Fill in the secrets that the configuration does not give, making those that do not exist yet.

    Two processes that do this at once agree: one makes them, the other reads them.

    Returns the complete configuration, and whether this call made a secret that people are shown (the first start).
    The tokens for n8n are none of these: an update makes them beside secrets that people have long known.

    Raises:
        ConfigProblems: the data directory cannot be used, or a secret's file is damaged.
    """
    missing = [name for name in SECRET_NAMES if not getattr(config, name)]
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _turn(config.data_dir):
            found = {name: _read_or_make(secret_path(config, name)) for name in missing}
    except OSError as error:
        raise ConfigProblems([_unusable(config, error)]) from None
    values = {name: value for name, (value, _) in found.items()}
    complete = config.model_copy(update=values)
    _must_differ(complete)
    return complete, any(is_new for name, (_, is_new) in found.items() if name not in SCOPED_NAMES)


def _must_differ(config: Config) -> None:
    """Whoever holds a token that an agent has too may read and answer what the agent is asked to restart."""
    others = [getattr(config, name) for name in ("webhook_token", "api_token", *SCOPED_NAMES)]
    way_out = "make one for each agent: openssl rand -hex 24"
    same = [agent.name for agent in config.agents if agent.token in others]
    if same:
        seen = f"the token of {', '.join(same)} is another token of n8n-medic's too"
        raise ConfigProblems([Problem("agents", "", seen, "a token of its own for each agent", way_out)])


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    with (folder / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read_or_make(path: Path) -> tuple[str, bool]:
    if not path.exists():
        return _make(path), True
    try:
        value = read_secret_file(path)
    except ValueError as error:
        way_out = "delete the file to have a new one made, or restore it from a backup"
        raise ConfigProblems([Problem(str(path), "", str(error), "a generated secret", way_out)]) from None
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return value, False


def _make(path: Path) -> str:
    """Write a new secret so that a crash leaves either all of it or nothing."""
    value = secrets.token_urlsafe(12 if path.name == "admin_password" else 32)
    half = path.with_name(f".{path.name}.new")
    half.unlink(missing_ok=True)
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(value + "\n")
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)
    return value


def _unusable(config: Config, error: OSError) -> Problem:
    seen = f"{error.filename or config.data_dir}: {error.strerror}"
    way_out = "correct data_dir (or MEDIC_DATA_DIR), or allow writing there"
    return Problem("data_dir", "", seen, "a directory that can be written", way_out)
