"""Brings file, environment and secret files together into one checked Config, or says everything that is wrong."""

import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from recovery.config.agents import check_agents
from recovery.config.alert_names import check_alert_names
from recovery.config.dependencies import check_dependencies, check_named_actions
from recovery.config.document import Document, read_document
from recovery.config.environment import lay_over
from recovery.config.files import FileKeys
from recovery.config.plugins import check_plugins
from recovery.config.problems import ConfigProblems, Path, Problem
from recovery.config.settings import Config
from recovery.config.translate import Translator
from recovery.config.verifying import check_verifying

DEFAULT_FILE = "medic.yaml"


def load_config(path: str | os.PathLike[str] | None = None, env: Mapping[str, str] = os.environ) -> Config:
    """Read the configuration: the file, then the environment over it.

    `path` is the YAML file; without it `MEDIC_CONFIG` names it, else it is `medic.yaml` in the working directory
    where there is one. An empty file, or none, is valid.

    Raises:
        ConfigProblems: with every problem at once.
    """
    document = _find_document(path, env)
    if document.problems and not document.data:
        raise ConfigProblems(document.problems)
    overlay = lay_over(document.data, env)
    translator = Translator(document, document.data, overlay)
    files = FileKeys(translator, FilePath(document.source).parent)
    files.resolve(document.data, Config)
    config, problems = _validate(document.data, translator)
    problems += check_plugins(document.data, translator) + _find_twins(document.data, translator)
    problems += check_dependencies(document.data, translator) + check_named_actions(document.data, translator)
    problems += check_verifying(document.data, translator) + check_agents(document.data, translator)
    problems += check_alert_names(document.data, translator)
    unread = {problem.where.removesuffix("_file") for problem in files.problems}
    problems = [problem for problem in problems if problem.where not in unread]
    problems += document.problems + overlay.problems + files.problems
    if problems or config is None:
        raise ConfigProblems(problems).without(files.secrets | overlay.secrets)
    return config


def config_path(path: str | os.PathLike[str] | None, env: Mapping[str, str]) -> FilePath | None:
    """The file that is read; None where there is none."""
    named = path or env.get("MEDIC_CONFIG")
    if named:
        return FilePath(named)
    return FilePath(DEFAULT_FILE) if FilePath(DEFAULT_FILE).exists() else None


def _find_document(path: str | os.PathLike[str] | None, env: Mapping[str, str]) -> Document:
    found = config_path(path, env)
    return read_document(found) if found else Document(source=f"{DEFAULT_FILE} (there is none)")


def _validate(data: dict[str, Any], translator: Translator) -> tuple[Config | None, list[Problem]]:
    try:
        return Config.model_validate(data), []
    except ValidationError as error:
        return None, translator.problems(error, Config)


def _find_twins(data: dict[str, Any], translator: Translator) -> list[Problem]:
    """Names that must be unique and are not."""
    alerts = data.get("alerts")
    channels = alerts.get("channels") if isinstance(alerts, dict) else None
    return [
        *_twins_of(data.get("n8n"), ("n8n",), "name", translator),
        *_n8n_twins(data.get("n8n"), translator),
        *_twins_of(data.get("components"), ("components",), "name", translator),
        *_twins_of(data.get("agents"), ("agents",), "name", translator),
        *_twins_of(data.get("playbooks"), ("playbooks",), "name", translator),
        *_twins_of(data.get("sources"), ("sources",), "name", translator),
        *_twins_of(channels, ("alerts", "channels"), "name", translator),
        *(
            twin
            for word in ("routes", "people", "rotations")
            for twin in _twins_of(
                alerts.get(word) if isinstance(alerts, dict) else None, ("alerts", word), "name", translator
            )
        ),
        *_host_twins(data.get("components"), translator),
    ]


def _twins_of(items: Any, at: Path, key: str, translator: Translator) -> list[Problem]:
    first: dict[str, int] = {}
    found: list[Problem] = []
    for place, item in enumerate(items if isinstance(items, list) else []):
        name = item.get(key, "default" if at == ("n8n",) else None) if isinstance(item, dict) else None
        if isinstance(name, str) and first.setdefault(name, place) != place:
            seen = f"{name!r}, which number {first[name] + 1} of the list has too"
            found.append(translator.problem((*at, place, key), seen, "a name of its own"))
    return found


def _n8n_twins(n8ns: Any, translator: Translator) -> list[Problem]:
    """One n8n under two names: each would run its broken executions again."""
    first: dict[str, int] = {}
    found: list[Problem] = []
    for place, n8n in enumerate(n8ns if isinstance(n8ns, list) else []):
        url = n8n.get("url") if isinstance(n8n, dict) else None
        if isinstance(url, str) and (known := first.setdefault(url.rstrip("/").lower(), place)) != place:
            seen = f"{url!r}, which number {known + 1} of the list is too"
            found.append(translator.problem(("n8n", place, "url"), seen, "each n8n once", "keep one of the two"))
    return found


def _host_twins(components: Any, translator: Translator) -> list[Problem]:
    owner: dict[str, int] = {}
    found: list[Problem] = []
    for place, component in enumerate(components if isinstance(components, list) else []):
        hosts = component.get("hosts") if isinstance(component, dict) else None
        for number, host in enumerate(hosts if isinstance(hosts, list) else []):
            if isinstance(host, str) and owner.setdefault(host.lower(), place) != place:
                path = ("components", place, "hosts", number)
                seen = f"{host!r}, which component number {owner[host.lower()] + 1} claims too"
                found.append(translator.problem(path, seen, "each host at one component", "keep it at one of them"))
    return found
