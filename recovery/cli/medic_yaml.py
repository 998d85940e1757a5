"""What `medic connect` writes here: the n8n section of medic.yaml, and the file of its API key."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from recovery.cli.first_file import FOLDER_MODE, SECRET_MODE
from recovery.cli.medic_file import CannotEdit, snippet, with_component, with_n8n, with_setting
from recovery.config import Config, ConfigProblems, load_config
from recovery.config.load import DEFAULT_FILE
from recovery.config.notes import asks_n8n
from recovery.model.secrets import read_secret_file

FILE_MODE = 0o644
ENVIRONMENT = ("MEDIC_N8N_URL", "MEDIC_N8N_API_KEY", "MEDIC_N8N_API_KEY_FILE")


@dataclass(frozen=True, slots=True)
class Entry:
    """An n8n as it shall stand in the configuration."""

    name: str
    url: str
    api_key: str


@dataclass
class FileChange:
    """What is to be written.

    Fields:
        old, new: the text of the file. key_file: where the API key goes; None where it is known already.
        refused: why the file is not changed by us; what to add by hand is in `snippet`.
    """

    path: Path
    old: str
    new: str
    key_file: Path | None = None
    key: str = field(default="", repr=False)
    refused: str = ""
    snippet: str = ""

    @property
    def is_needed(self) -> bool:
        """Whether anything is written, or to be added by hand."""
        return self.old != self.new or self.key_file is not None or bool(self.refused)


def plan_file(config: Config, entry: Entry, dry_run: bool | None, env: Mapping[str, str]) -> FileChange:
    """What has to be written so that the configuration says this; nothing where it does already."""
    path = Path(env.get("MEDIC_CONFIG") or DEFAULT_FILE).expanduser()
    path = path.resolve() if path.is_symlink() else path
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    change = FileChange(path, text, text)
    known = next((one for one in config.n8n if one.name == entry.name), None)
    is_known = known is not None and (str(known.url).rstrip("/"), known.api_key) == (entry.url, entry.api_key)
    try:
        if not is_known:
            _refuse_environment(entry, env)
            file = key_path(config, entry)
            values = {"url": entry.url, "api_key_file": _as_written(file, path)}
            change.snippet = snippet(entry.name, values)
            change.new = with_n8n(change.new, entry.name, values)
            change.key_file, change.key = file, entry.api_key
            if known is None or not known.api_key:
                _watch(change, config, entry)
        if dry_run is not None and dry_run != config.dry_run:
            change.new = with_setting(change.new, "dry_run", str(dry_run).lower())
    except CannotEdit as refused:
        change.new, change.refused = text, str(refused)
    return change


def _watch(change: FileChange, config: Config, entry: Entry) -> None:
    """Add what notices n8n's own death, at the first contact: a person may take it out again."""
    name = "n8n" if entry.name == "default" else f"n8n {entry.name}"
    is_watched = any(asks_n8n(component, entry.name, entry.url) for component in config.components)
    if is_watched or name in {component.name for component in config.components}:
        return
    site = "" if entry.name == "default" else f', site: "{entry.name}"'
    shown = name if entry.name == "default" else f'"{name}"'
    component = f"{{name: {shown}, check: {{kind: n8n{site}}}, severity: critical}}"
    change.snippet += f"components:\n  - {component}\n"
    with suppress(CannotEdit):  # check-config and doctor say what is missing then
        change.new = with_component(change.new, component)


def _refuse_environment(entry: Entry, env: Mapping[str, str]) -> None:
    said = [name for name in ENVIRONMENT if env.get(name)]
    if entry.name == "default" and said:
        raise CannotEdit(f"{said[0]} is set and goes over the file: unset it, or set it to what you gave")


def key_path(config: Config, entry: Entry) -> Path:
    """The file of an n8n's API key in the data directory."""
    return config.data_dir / "secrets" / ("n8n_api_key" if entry.name == "default" else f"n8n_{entry.name}_api_key")


def _as_written(path: Path, target: Path) -> str:
    """As the file names it: a relative path begins at its folder."""
    folder = target.parent.absolute()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def write_file(change: FileChange, env: Mapping[str, str]) -> Config:
    """Write the key and the file; the configuration as it reads then.

    Raises:
        ConfigProblems: the file would not be read as meant: it is as it was.
        OSError: it cannot be written.
    """
    if change.key_file is not None:
        _write_key(change.key_file, change.key)
    if change.old == change.new:
        return load_config(None, env)
    half = change.path.with_name(f".{change.path.name}.new-{os.getpid()}")
    mode = change.path.stat().st_mode & 0o777 if change.path.exists() else FILE_MODE
    try:
        _write(half, change.new, mode)
        config = load_config(half, env)
        half.replace(change.path)
    except (ConfigProblems, OSError):
        half.unlink(missing_ok=True)
        raise
    return config


def _write_key(path: Path, key: str) -> None:
    path.parent.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    path.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
    if path.exists() and _holds(path, key):
        path.chmod(SECRET_MODE)
        return
    half = path.with_name(f".{path.name}.new-{os.getpid()}")
    _write(half, f"{key}\n", SECRET_MODE)
    half.replace(path)


def _holds(path: Path, key: str) -> bool:
    try:
        return read_secret_file(path) == key
    except ValueError:
        return False


def _write(path: Path, text: str, mode: int) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
