"""Checks the names that components speak of: what they need, of which n8n they are, and what maintenance is about."""

from typing import Any

from recovery.config.plugins import plugin_of, used_plugins
from recovery.config.problems import Path, Problem, suggest
from recovery.config.translate import Translator
from recovery.model import CONNECTIVITY

DEFAULT_SITE = "default"
Needs = dict[str, list[str]]


def check_dependencies(data: dict[str, Any], translator: Translator) -> list[Problem]:
    """The problems of `depends_on`, of a check's `site`, and of the components that maintenance names.

    None needs itself, however far around.
    """
    listed = data.get("components")
    components = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    needs: Needs = {str(one.get("name")): _texts(one.get("depends_on")) for one in components}
    found: list[Problem] = []
    for place, one in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(one, dict):
            found += _check_one(place, str(one.get("name")), needs, translator)
    if CONNECTIVITY in needs:
        place = list(needs).index(CONNECTIVITY)
        way_out = "n8n-medic calls its own machine's connection so"
        found.append(translator.problem(("components", place, "name"), repr(CONNECTIVITY), "another name", way_out))
    found += _check_sites(data, translator)
    return found + _check_maintenance(data.get("maintenance"), needs, translator)


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _check_one(place: int, name: str, needs: Needs, translator: Translator) -> list[Problem]:
    found = []
    for number, needed in enumerate(needs.get(name, [])):
        path = ("components", place, "depends_on", number)
        if needed not in needs:
            way_out = suggest(needed, needs)
            found.append(translator.problem(path, repr(needed), "the name of a component", way_out))
        elif circle := circle_of(name, needed, needs):
            seen = " needs ".join(circle)
            found.append(
                translator.problem(path, seen, "components that do not need themselves", "take one of them out")
            )
    return found


def circle_of(name: str, needed: str, needs: Needs) -> list[str]:
    """The way from a component through one that it needs back to itself; [] where there is none.

    Args:
        needs: whom each needs.
    """
    ways, seen = [[name, needed]], {needed}
    while ways:
        way = ways.pop()
        if way[-1] == name:
            return way
        for one in needs.get(way[-1], []):
            if one == name or one not in seen:
                seen.add(one)
                ways.append([*way, one])
    return []


def _check_maintenance(windows: Any, needs: Needs, translator: Translator) -> list[Problem]:
    found = []
    for place, window in enumerate(windows if isinstance(windows, list) else []):
        names = _texts(window.get("components")) if isinstance(window, dict) else []
        for number, name in enumerate(names):
            if name != "*" and name not in needs:
                path = ("maintenance", place, "components", number)
                found.append(
                    translator.problem(path, repr(name), 'the name of a component, or "*"', suggest(name, needs))
                )
    return found


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _check_sites(data: dict[str, Any], translator: Translator) -> list[Problem]:
    """Whatever looks at an n8n, or acts on one, names one that there is."""
    sites = [str(one.get("name", DEFAULT_SITE)) for one in _mappings(data.get("n8n"))]
    found = []
    for registry, path, mapping, _ in used_plugins(data):
        site = mapping.get("site")
        plugin = plugin_of(registry, mapping.get("kind"))
        is_one = plugin is not None and "site" in plugin.model_fields
        if is_one and isinstance(site, str) and site not in (sites or [DEFAULT_SITE]):
            known = ", ".join(sites) or "none is configured"
            expected = f"the name of an n8n: {known}"
            found.append(translator.problem((*path, "site"), repr(site), expected, suggest(site, sites)))
    return found


def check_named_actions(data: dict[str, Any], translator: Translator) -> list[Problem]:
    """Playbooks may call only actions that some component has."""
    known: set[str] = set()
    for component in _dicts(data.get("components")):
        known |= {str(name) for name in component.get("actions") or ()}
        known |= {"restart"} if component.get("restart") else set()
    found: list[Problem] = []
    for place, playbook in enumerate(_dicts(data.get("playbooks"))):
        for number, stage in enumerate(_dicts(playbook.get("stages"))):
            for key in ("actions", "one_of"):
                at: Path = ("playbooks", place, "stages", number, key)
                found += _unknown_names(at, stage.get(key), known, translator)
    return found


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one if isinstance(one, dict) else {} for one in value] if isinstance(value, list) else []


def _unknown_names(at: Path, uses: Any, known: set[str], translator: Translator) -> list[Problem]:
    listed = ", ".join(sorted(known)) or "none: give a component `actions`"
    expected = f"the name of an action that a component has ({listed})"
    named = [(place, one) for place, one in enumerate(uses if isinstance(uses, list) else []) if isinstance(one, str)]
    return [
        translator.problem((*at, place), repr(one), expected, suggest(one, known))
        for place, one in named
        if one not in known
    ]
