"""Checks the parts of the configuration whose shape a plugin declares: checks, channels and the restart's action."""

from inspect import cleandoc
from typing import Any

from pydantic import ValidationError

from recovery import actions, alerts, checks
from recovery.config.components import Restart
from recovery.config.plans import RESTART_ACTION, restart_arguments
from recovery.config.problems import Path, Problem, suggest
from recovery.config.sections import Channel
from recovery.config.shapes import Model
from recovery.config.translate import Translator
from recovery.model import Registry
from recovery.redact import redact

CHANNEL_KEYS = frozenset(Channel.model_fields)
CHECK_KEYS = frozenset({"kind"})
ACTION_KEYS = frozenset({"kind", "needs_approval", "back_after"})


def plugin_of(registry: Registry, kind: Any) -> Model | None:
    """The `Args` of a kind; None where there is no such kind."""
    return next((plugin.args for plugin in registry.all() if plugin.name == kind), None)


def meaning_of_check(kind: str) -> str:
    """What a check does, in its own words: the first paragraph of what it says of itself."""
    return " ".join(cleandoc(checks.REGISTRY.find(kind).doc).split("\n\n")[0].split())


def used_plugins(data: dict[str, Any]) -> list[tuple[Registry, Path, dict[str, Any], frozenset[str]]]:
    """Every mapping that a plugin describes: its registry, where it stands, itself, and the keys that are ours."""
    found: list[tuple[Registry, Path, dict[str, Any], frozenset[str]]] = []
    for place, component in enumerate(_mappings(data.get("components"))):
        if component and isinstance(component.get("check"), dict):
            found.append((checks.REGISTRY, ("components", place, "check"), component["check"], CHECK_KEYS))
        for name, action in _named(component.get("actions") if component else None):
            found.append((actions.REGISTRY, ("components", place, "actions", name), action, ACTION_KEYS))
    found += _used_in_playbooks(data)
    settings = data.get("alerts")
    for place, channel in enumerate(_mappings(settings.get("channels") if isinstance(settings, dict) else None)):
        if channel:
            found.append((alerts.REGISTRY, ("alerts", "channels", place), channel, CHANNEL_KEYS))
    return found


def _used_in_playbooks(data: dict[str, Any]) -> list[tuple[Registry, Path, dict[str, Any], frozenset[str]]]:
    found: list[tuple[Registry, Path, dict[str, Any], frozenset[str]]] = []
    for place, playbook in enumerate(_mappings(data.get("playbooks"))):
        for number, stage in enumerate(_mappings(playbook.get("stages") if playbook else None)):
            check = stage.get("check") if stage else None
            if isinstance(check, dict):
                found.append((checks.REGISTRY, ("playbooks", place, "stages", number, "check"), check, CHECK_KEYS))
            for key in ("actions", "one_of"):
                for index, action in enumerate(_mappings(stage.get(key) if stage else None)):
                    path = ("playbooks", place, "stages", number, key, index)
                    found += [(actions.REGISTRY, path, action, ACTION_KEYS)] if action else []
    return found


def _named(value: Any) -> list[tuple[str, dict[str, Any]]]:
    items = value.items() if isinstance(value, dict) else ()
    return [(name, one) for name, one in items if isinstance(name, str) and isinstance(one, dict)]


def _mappings(value: Any) -> list[dict[str, Any] | None]:
    """The items of a list, with None in place of those that are no mappings."""
    items = value if isinstance(value, list) else []
    return [item if isinstance(item, dict) else None for item in items]


def check_plugins(data: dict[str, Any], translator: Translator) -> list[Problem]:
    """The problems of everything that plugins describe."""
    found: list[Problem] = []
    for registry, path, mapping, ours in used_plugins(data):
        found += _check_one(registry, path, mapping, ours, translator)
    return found + _check_restarts(data, translator) + _find_look_alikes(data, translator)


def _check_one(
    registry: Registry, path: Path, mapping: dict[str, Any], ours: frozenset[str], translator: Translator
) -> list[Problem]:
    kind = mapping.get("kind")
    if not isinstance(kind, str):
        return []  # the settings say that it is missing or of the wrong type
    model = plugin_of(registry, kind)
    if model is None:
        names = [plugin.name for plugin in registry.all()]
        where, seen = (*path, "kind"), translator.show((*path, "kind"), kind)
        return [translator.problem(where, seen, f"one of: {', '.join(names)}", suggest(kind, names))]
    return check_arguments(model, path, {key: mapping[key] for key in mapping if key not in ours}, translator, ours)


def check_arguments(
    model: Model, path: Path, arguments: dict[str, Any], translator: Translator, ours: frozenset[str]
) -> list[Problem]:
    """The problems of a plugin's arguments."""
    try:
        model.model_validate(arguments, extra="forbid")
    except ValidationError as error:
        return translator.problems(error, model, path, ours)
    return []


def _find_look_alikes(data: dict[str, Any], translator: Translator) -> list[Problem]:
    """Actions of one component, or one playbook, that no row could tell apart: rows are stored without secrets."""
    found: list[Problem] = []
    seen: dict[str, dict[str, Any]] = {}
    for registry, path, mapping, ours in used_plugins(data):
        if registry is not actions.REGISTRY or not isinstance(mapping.get("kind"), str):
            continue
        args = {key: value for key, value in mapping.items() if key not in ours}
        stored = repr((path[:2], mapping["kind"], redact(args)))
        if seen.setdefault(stored, args) != args:
            way_out = "let a word differ too, such as its timeout"
            told = "it differs from another one in a secret, or in a value of `env`, alone"
            found.append(
                translator.problem(path, told, "actions that can be told apart without their secrets", way_out)
            )
    return found


def _check_restarts(data: dict[str, Any], translator: Translator) -> list[Problem]:
    """A `restart` must be something that its action takes."""
    model = plugin_of(actions.REGISTRY, RESTART_ACTION)
    found: list[Problem] = []
    for place, component in enumerate(_mappings(data.get("components"))):
        value = component.get("restart") if component else None
        try:
            restart = Restart.model_validate(value if isinstance(value, dict) else {"command": value})
        except ValidationError:
            continue  # nothing to restart, or the settings say what is wrong with it
        if model:
            path = ("components", place, "restart")
            found += check_arguments(model, path, restart_arguments(restart), translator, frozenset())
    return found
