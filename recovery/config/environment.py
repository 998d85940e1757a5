"""Environment variables, which go over the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from recovery.config.problems import Path, Problem, suggest
from recovery.model.scopes import SCOPES
from recovery.model.secrets import read_secret_file


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: where it goes in the configuration, and what it means.

    `comes_later`: its file may be empty, which says that there is no such secret yet.
    """

    name: str
    path: tuple[str, ...]
    meaning: str
    is_secret: bool = False
    comes_later: bool = False


VARIABLES = (
    Variable("MEDIC_BIND", ("bind",), "address to listen on"),
    Variable("MEDIC_PUBLIC_URL", ("public_url",), "how n8n and people reach it"),
    Variable("MEDIC_DATA_DIR", ("data_dir",), "database and generated secrets"),
    Variable("MEDIC_DATABASE_URL", ("database_url",), "sqlite:///path or postgresql://...", True),
    Variable("MEDIC_N8N_URL", ("n8n", "url"), "the n8n to look after"),
    Variable("MEDIC_N8N_API_KEY", ("n8n", "api_key"), "its API key", True, comes_later=True),
    Variable("MEDIC_WEBHOOK_TOKEN", ("webhook_token",), "senders of signals show it", True),
    Variable("MEDIC_API_TOKEN", ("api_token",), "users of the JSON API show it", True),
    Variable("MEDIC_ADMIN_PASSWORD", ("admin_password",), "of the pages' user admin", True),
    Variable("MEDIC_SESSION_KEY", ("session_key",), "signs the pages' sessions", True),
    *(Variable(scope.variable, (scope.setting,), f"who shows it may {scope.meaning}", True) for scope in SCOPES),
    Variable("MEDIC_DRY_RUN", ("dry_run",), "true: decide and record everything, do nothing"),
)
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
OTHERS = {
    "MEDIC_CONFIG": "the YAML file; default: medic.yaml in the working directory, where there is one",
    "MEDIC_LOG": "how much is logged: DEBUG, INFO, WARNING or ERROR; default: INFO",
}
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
N8N_NAME = "default"


@dataclass
class Overlay:
    """What the environment said.

    Fields:
        sources: for each path that it set, the variable's name.
        secrets: the secrets among them, to keep them out of messages.
    """

    sources: dict[Path, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def lay_over(data: dict[str, Any], env: Mapping[str, str]) -> Overlay:
    """Put the variables of `env` into `data`, over what the file said. An empty variable counts as not set."""
    overlay = Overlay()
    for variable in VARIABLES:
        value = _value_of(variable, env, overlay)
        if value is not None:
            _put(data, variable, value, overlay)
    return overlay


def _value_of(variable: Variable, env: Mapping[str, str], overlay: Overlay) -> Any:
    plain, file_name = env.get(variable.name, ""), f"{variable.name}_FILE"
    file = env.get(file_name, "") if variable.is_secret else ""
    if plain and file:
        way_out = f"unset {variable.name} or {file_name}"
        overlay.problems.append(Problem(file_name, "", f"{variable.name} is set too", "only one of the two", way_out))
        return None
    if file and variable.comes_later and _is_empty(file):
        return None
    if file:
        return _read(file_name, file, overlay)
    if variable.is_secret and plain:
        overlay.secrets.add(plain)
    return _flag_of(variable, plain, overlay) if variable.path == ("dry_run",) and plain else plain or None


def _is_empty(path: str) -> bool:
    try:
        return not FilePath(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return False


def _read(name: str, path: str, overlay: Overlay) -> str | None:
    try:
        secret = read_secret_file(path)
    except ValueError as error:
        way_out = "create the file, or correct the path"
        overlay.problems.append(Problem(name, "", str(error), "the path of a file that holds the secret", way_out))
        return None
    overlay.secrets.add(secret)
    return secret


def _flag_of(variable: Variable, text: str, overlay: Overlay) -> bool | None:
    if text.strip().lower() not in WORDS:
        overlay.problems.append(Problem(variable.name, "", repr(text[:40]), "true or false"))
    return WORDS.get(text.strip().lower())


def _put(data: dict[str, Any], variable: Variable, value: Any, overlay: Overlay) -> None:
    if variable.path[0] != "n8n":
        data[variable.path[0]] = value
        data.pop(f"{variable.path[0]}_file", None)
        overlay.sources[variable.path] = variable.name
        return
    place, entry = _default_n8n(data)
    entry[variable.path[1]] = value
    entry.pop(f"{variable.path[1]}_file", None)
    overlay.sources[("n8n", place, variable.path[1])] = variable.name


def _default_n8n(data: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The n8n that the variables speak of, and its place in the list; made where the file has none."""
    found = data.get("n8n")
    if found is None:
        found = data["n8n"] = []
    if not isinstance(found, list):
        return 0, found if isinstance(found, dict) else {}
    for place, entry in enumerate(found):
        if isinstance(entry, dict) and entry.get("name", N8N_NAME) == N8N_NAME:
            return place, entry
    found.append({})
    return len(found) - 1, found[-1]


def log_level(env: Mapping[str, str]) -> str:
    """The level that `MEDIC_LOG` asks for; INFO where it asks for none that exists."""
    asked = env.get("MEDIC_LOG", "").strip().upper()
    return asked if asked in LOG_LEVELS else "INFO"


def notice_slips(env: Mapping[str, str]) -> list[str]:
    """A line for each variable that begins with MEDIC_ and means nothing here, or has a value that means nothing."""
    known = {variable.name for variable in VARIABLES} | set(OTHERS)
    known |= {f"{variable.name}_FILE" for variable in VARIABLES if variable.is_secret}
    strange = sorted(name for name in env if name.startswith("MEDIC_") and name not in known)
    slips = [f"{name} is set and means nothing here. {suggest(name, known)}".strip() for name in strange]
    asked = env.get("MEDIC_LOG", "").strip()
    if asked.upper() not in ("", *LOG_LEVELS):
        slips.append(f"MEDIC_LOG is {asked[:40]!r}, which is none of {', '.join(LOG_LEVELS)}: it counts as INFO.")
    return slips
