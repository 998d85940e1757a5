"""Checks what verifies a playbook's stages: that it exists, that it looks, and that none waits for the other."""

from collections.abc import Iterator
from typing import Any

from recovery import checks
from recovery.config.dependencies import Needs, circle_of
from recovery.config.problems import Path, Problem, suggest
from recovery.config.translate import Translator

# What they say comes from what was told or counted of their component, over time: without one they never know.
OF_A_COMPONENT = ("error_rate", "heartbeat", "pushed")
Components = dict[str, dict[str, Any]]


def check_verifying(data: dict[str, Any], translator: Translator) -> list[Problem]:
    """The problems of the stages' `check`."""
    components = {str(one.get("name")): one for one in _dicts(data.get("components"))}
    listed = _dicts(data.get("playbooks"))
    verifies = _who_verifies_whom(listed, components)
    found: list[Problem] = []
    for place, number, check in _stage_checks(listed):
        at: Path = ("playbooks", place, "stages", number, "check")
        if isinstance(check, str):
            found += _check_named(at, check, components, translator) or _check_circle(at, check, verifies, translator)
        elif isinstance(check, dict) and check.get("kind") in OF_A_COMPONENT:
            seen, way_out = repr(check["kind"]), "give it to a component, and name that one"
            found.append(translator.problem((*at, "kind"), seen, "a check that knows after one look", way_out))
    return found


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one if isinstance(one, dict) else {} for one in value] if isinstance(value, list) else []


def _stage_checks(playbooks: list[dict[str, Any]]) -> Iterator[tuple[int, int, Any]]:
    """Each stage's check: the place of its playbook, its stage, itself."""
    for place, playbook in enumerate(playbooks):
        for number, stage in enumerate(_dicts(playbook.get("stages"))):
            yield place, number, stage.get("check")


def _check_named(at: Path, name: str, components: Components, translator: Translator) -> list[Problem]:
    looking = [one for one, component in components.items() if _looks(component)]
    if name in looking:
        return []
    if name in components:
        way_out = "give it a check that looks, or write one here: {kind: ...}"
        return [translator.problem(at, f"{name!r}, which has no check that looks", "a component with one", way_out)]
    known = ", ".join(looking) or "there is none"
    return [translator.problem(at, repr(name), f"a component that has a check ({known})", suggest(name, looking))]


def _looks(component: dict[str, Any]) -> bool:
    check = component.get("check")
    kind = check.get("kind") if isinstance(check, dict) else None
    return kind is not None and not any(plugin.name == kind and plugin.hears for plugin in checks.REGISTRY.all())


def _who_verifies_whom(playbooks: list[dict[str, Any]], components: Components) -> Needs:
    """{component: those whose checks verify what is done to it}, whatever the failure."""
    found: Needs = {name: [] for name in components}
    for place, _, check in _stage_checks(playbooks):
        match = playbooks[place].get("match")
        for name, component in components.items():
            if isinstance(check, str) and check != name and _is_for(match, name, component):
                found[name].append(check)
    return found


def _is_for(match: Any, name: str, component: dict[str, Any]) -> bool:
    match = match if isinstance(match, dict) else {}
    names, labels, has = match.get("component") or [name], match.get("label"), component.get("labels")
    wanted = labels.items() if isinstance(labels, dict) else ()
    of_it = name in names if isinstance(names, list) else name == names
    return of_it and all(isinstance(has, dict) and has.get(key) == value for key, value in wanted)


def _check_circle(at: Path, name: str, verifies: Needs, translator: Translator) -> list[Problem]:
    """Two that verify each other: while both are down, neither is ever found to be healed."""
    ways = (circle_of(name, one, verifies) for one in verifies.get(name, []))
    way = next(filter(None, ways), [])
    if not way:
        return []
    expected = "components that do not verify each other, however far around"
    return [translator.problem(at, " is verified by ".join(way), expected, "write out one of the checks: {kind: ...}")]
