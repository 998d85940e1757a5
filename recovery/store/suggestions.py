"""Suggestions: the worker offers them, a person takes one or takes it back."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from recovery.store import bulk, database
from recovery.store.events import add_event
from recovery.store.tables import SuggestionRow

NAMES = ("action", "after_seconds")


def offer(component: str, failure_type: str, playbook: str, found: Sequence[dict[str, Any]], now: datetime) -> None:
    """What is suggested for a playbook now; what was before, and nobody has taken, is withdrawn.

    Args:
        found: of each its `worse`, `better`, `before` and `after`.
    """
    about = {"component": component, "failure_type": failure_type, "playbook": playbook}
    keys = [_key(about, one) for one in found]
    of_these = [getattr(SuggestionRow, name) == value for name, value in about.items()]
    gone = SuggestionRow.delete().where(*of_these, SuggestionRow.taken_at.is_null(), SuggestionRow.key.not_in(keys))
    gone.execute()
    for key, one in zip(keys, found, strict=True):
        if not SuggestionRow.update(**one).where(SuggestionRow.key == key).execute():
            SuggestionRow.create(key=key, offered_at=now, **about, **one)


def _key(about: dict[str, str], one: dict[str, Any]) -> str:
    return json.dumps([*about.values(), *(one[side][name] for side in ("worse", "better") for name in NAMES)])


def find_of(component: str, failure_type: str) -> list[SuggestionRow]:
    """The suggestions about a component's failures of a type, those that were taken first, in the order of that."""
    mine = SuggestionRow.select().where(
        SuggestionRow.component == component, SuggestionRow.failure_type == failure_type
    )
    return sorted(mine, key=lambda row: (row.taken_at is None, row.taken_at or row.offered_at, row.id))


def find_taken(component: str, failure_type: str, playbook: str) -> list[SuggestionRow]:
    """Those of a playbook that hold, in the order in which they were taken."""
    these = "component = ? AND failure_type = ? AND playbook = ? AND taken_at IS NOT NULL"
    return bulk.find_rows(SuggestionRow, these, component, failure_type, playbook, more="ORDER BY taken_at, id")


def find_all(limit: int) -> list[SuggestionRow]:
    """All of them, the newest first."""
    return list(SuggestionRow.select().order_by(SuggestionRow.id.desc()).limit(limit))


def find_in_order() -> list[SuggestionRow]:
    """All of them, in the order in which they were taken; those that nobody took come last."""
    return sorted(
        SuggestionRow.select(), key=lambda row: (row.taken_at is None, row.taken_at or row.offered_at, row.id)
    )


def drop(row: SuggestionRow, why: str, now: datetime) -> None:
    """It is neither offered nor obeyed any more; history tells of one that a person had taken."""
    if SuggestionRow.delete().where(SuggestionRow.id == row.id).execute() and row.taken_at:
        told = f"{why}: against {row.failure_type}, {_named(row.better)} before {_named(row.worse)}"
        add_event(now, "component", row.component, "suggestion dropped", told)


def find(suggestion_id: int) -> SuggestionRow | None:
    """One of them, or None."""
    return SuggestionRow.get_or_none(SuggestionRow.id == suggestion_id)


def take(suggestion_id: int, who: str, now: datetime) -> bool:
    """A person has new recoveries go by it; False where it was taken or withdrawn meanwhile."""
    return _change(suggestion_id, who, now, taking=True)


def take_back(suggestion_id: int, who: str, now: datetime) -> bool:
    """New recoveries go by the configuration again; False where that was so already."""
    return _change(suggestion_id, who, now, taking=False)


def _change(suggestion_id: int, who: str, now: datetime, taking: bool) -> bool:
    as_it_was = (SuggestionRow.id == suggestion_id) & SuggestionRow.taken_at.is_null(taking)
    changes: dict[str, Any] = {"taken_at": now, "taken_by": who} if taking else {"taken_at": None, "taken_by": None}
    with database.write():
        if not SuggestionRow.update(**changes).where(as_it_was).execute():
            return False
        row = SuggestionRow.get_by_id(suggestion_id)
        told = f"against {row.failure_type}, {_named(row.better)} is tried before {_named(row.worse)}"
        after = "suggestion taken" if taking else "suggestion taken back"
        add_event(now, "component", row.component, after, told if taking else f"no longer: {told}", who=who)
    return True


def _named(way: dict[str, Any]) -> str:
    return f"{way['action']} after {way['after_seconds']:g} s" if way["after_seconds"] else str(way["action"])
