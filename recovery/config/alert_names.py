"""Checks the names that the settings of alerts speak of: channels, people and rotations."""

from typing import Any

from recovery.config.problems import Path, Problem, suggest
from recovery.config.translate import Translator


def check_alert_names(data: dict[str, Any], translator: Translator) -> list[Problem]:
    """The problems of every name that nothing has."""
    alerts = data.get("alerts")
    if not isinstance(alerts, dict):
        return []
    known = {word: _names_of(alerts.get(word)) for word in ("channels", "people", "rotations")}
    found: list[Problem] = []
    for path, value, word in _used(alerts):
        for place, name in _listed(value):
            if name not in known[word]:
                where: Path = ("alerts", *path, *([] if place is None else [place]))
                listed = ", ".join(sorted(known[word])) or "there are none"
                expected = f"the name of one of `alerts.{word}`: {listed}"
                found.append(translator.problem(where, repr(name), expected, suggest(name, known[word])))
    return found


def _used(alerts: dict[str, Any]) -> list[tuple[Path, Any, str]]:
    """Every place that names something: where it stands, what stands there, and what it names."""
    found: list[tuple[Path, Any, str]] = []
    for section in ("routes", "people", "escalation", "quiet_hours"):
        for place, one in enumerate(_mappings(alerts.get(section))):
            found.append(((section, place, "channels"), one.get("channels"), "channels"))
            found.append(((section, place, "people"), one.get("people"), "people"))
            found.append(((section, place, "rotation"), one.get("rotation"), "rotations"))
    for place, one in enumerate(_mappings(alerts.get("rotations"))):
        found.append((("rotations", place, "people"), one.get("people"), "people"))
    reports = alerts.get("reports")
    for period in ("daily", "weekly"):
        report = reports.get(period) if isinstance(reports, dict) else None
        if isinstance(report, dict):
            found.append((("reports", period, "channels"), report.get("channels"), "channels"))
    return found


def _listed(value: Any) -> list[tuple[int | None, str]]:
    if isinstance(value, str):
        return [(None, value)]
    return [(place, one) for place, one in enumerate(value) if isinstance(one, str)] if isinstance(value, list) else []


def _names_of(value: Any) -> set[str]:
    return {one["name"] for one in _mappings(value) if isinstance(one.get("name"), str)}


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [one if isinstance(one, dict) else {} for one in value] if isinstance(value, list) else []
