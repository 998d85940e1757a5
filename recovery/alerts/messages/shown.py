"""The facts of every kind of message as its template sees them: cleaned, cut, translated, and none of them missing."""

from collections.abc import Callable, Mapping
from typing import Any

from recovery.alerts.messages.clean import defang, moment, one_line, own_link, readable, whole
from recovery.alerts.messages.phrases import said_in
from recovery.model import AlertKind

__all__ = ["DECIDES", "each_text", "shown_facts"]

LINE_LIMITS = {
    "component": 100,
    "failure_type": 60,
    "severity": 20,
    "message": 500,
    "site": 60,
    "because": 500,
    "advice": 500,
    "acknowledged_by": 60,
    "channel": 60,
    "period": 20,
}
TRANSLATED = ("because", "advice")
COUNTS = (
    "attempts",
    "executions",
    "asks",
    "escalation",
    "updates",
    "count",
    "needs_human",
    "resolved",
    "failed",
    "healed",
    "found",
)
LISTED = 15
ENTRY_LIMITS = {
    "component": 60,
    "severity": 20,
    "state": 30,
    "kind": 30,
    "what": 30,
    "message": 160,
    "failure_type": 60,
    "name": 60,
    "site": 60,
    "workflow": 120,
    "rule": 40,
    "acknowledged_by": 60,
}
ENTRY_COUNTS = ("count", "healed", "times")
DECIDES = "/decide/"  # in a link: where a person says yes or no, not only reads


def shown_facts(facts: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The facts as they are shown, each one line; what is missing is empty. Lists hold 15 entries at most.

    Raises:
        ValueError: their `kind` is no kind of alert.
    """
    shown: dict[str, Any] = {name: one_line(facts.get(name), limit) for name, limit in LINE_LIMITS.items()}
    hints = facts.get("advice") if isinstance(facts.get("advice"), list | tuple) else ()
    shown["advice"] = "" if hints else shown["advice"]
    shown |= {name: said_in(language, shown[name]) for name in TRANSLATED}
    shown |= {name: whole(facts.get(name)) for name in COUNTS}
    shown |= _times(facts) | _lists(facts, language)
    shown["hints"] = [said_in(language, one_line(hint, 300)) for hint in list(hints or ())[:LISTED]]
    shown = each_text(shown, defang)
    return shown | {
        "kind": AlertKind(str(facts.get("kind"))).value,
        "component": shown["component"] or "?",
        "message": shown["message"] or "-",
        "count": max(shown["count"], len(shown["entries"])),
        "needing": sum(entry["what"] == "needs_human" for entry in shown["entries"]),
        "healed_percent": _percent(facts.get("healed_share")),
        "incident_id": whole(facts.get("incident_id")),
        "dry_run": facts.get("dry_run") is True,
        "test": facts.get("test") is True,
        "reminder": facts.get("reminder") is True,
        "calling": _calling(facts),
        "link": own_link(facts.get("link")),
        "decides": DECIDES in own_link(facts.get("link")),
        "ack_link": own_link(facts.get("ack_link")),
    }


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """The value with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: each_text(inner, change) for key, inner in value.items()}
    return [each_text(inner, change) for inner in value] if isinstance(value, list) else value


def _times(facts: Mapping[str, Any]) -> dict[str, Any]:
    opened, resolved = moment(facts.get("opened_at")), moment(facts.get("resolved_at"))
    zone = _zone(facts)
    return {
        "opened_at": readable(facts.get("opened_at"), zone) or "?",
        "took_seconds": int((resolved - opened).total_seconds()) if opened and resolved else -1,
        **{name: readable(facts.get(name), zone) for name in ("resolved_at", "since", "until")},
    }


def _zone(facts: Mapping[str, Any]) -> str:
    return one_line(facts.get("timezone"), 60) or "UTC"


def _lists(facts: Mapping[str, Any], language: str) -> dict[str, list[dict[str, Any]]]:
    """`items` is called `entries`, for a mapping has `items` of its own in a template."""
    named = {name: name for name in ("failing", "by_type", "top", "findings", "tried")} | {"entries": "items"}
    return {ours: _entries(facts.get(theirs), language, _zone(facts)) for ours, theirs in named.items()}


def _entries(value: Any, language: str, zone: str) -> list[dict[str, Any]]:
    return [_entry(one, language, zone) for one in _mappings(value)[:LISTED]]


def _entry(one: Mapping[str, Any], language: str, zone: str) -> dict[str, Any]:
    shown: dict[str, Any] = {name: one_line(one.get(name), limit) for name, limit in ENTRY_LIMITS.items()}
    shown |= {name: whole(one.get(name)) for name in ENTRY_COUNTS}
    return shown | {
        "component": shown["component"] or "?",
        "message": said_in(language, shown["message"]),
        "at": readable(one.get("at"), zone),
    }


def _calling(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and link of those among many that need a person: the first three."""
    listed = [*_mappings(facts.get("failing")), *_mappings(facts.get("items"))]
    needing = [one for one in listed if "needs_human" in (one.get("state"), one.get("what"))]
    named = [(defang(one_line(one.get("component"), 60)), own_link(one.get("link"))) for one in needing]
    return [(name, link) for name, link in named if name and link][:3]


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []


def _percent(share: Any) -> int:
    """A share from 0 to 1 as percent; -1 where it is none."""
    known = isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
    return round(share * 100) if known else -1
