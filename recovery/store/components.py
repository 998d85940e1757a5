"""Components: their readings in a row, and when their check is next due."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import peewee as pw

from recovery.clock import from_micros, to_micros
from recovery.model import FAILING, NO_LOOKS, Health, Reading, note_look
from recovery.store import bulk, database
from recovery.store.events import add_event
from recovery.store.tables import ComponentRow

MOST_NAMES = 5_000


def find_components(names: Iterable[str]) -> dict[str, ComponentRow]:
    """Components by their names, those that are known."""
    found: dict[str, ComponentRow] = {}
    for part in bulk.in_parts(set(names)):
        found.update({row.name: row for row in bulk.find_rows(ComponentRow, "name IN ?", part)})
    return found


def set_component(
    name: str, before: str, now: datetime, because: str, incident_id: int | None = None, **changes: Any
) -> None:
    """Write what a reading changed; a change of health goes into history, and into that of its incident."""
    changed = changes.get("health", before) != before
    if changed:
        changes["changed_at"] = now
        add_event(now, "component", name, changes["health"], because, incident_id, before)
    values = {"because": because, **changes}
    ComponentRow.insert(name=name, **values).on_conflict(conflict_target=[ComponentRow.name], update=values).execute()


def hold_beat(name: str) -> dict[str, Any] | None:
    """What a component told of itself, and nobody else may change it before the transaction ends; None: unknown."""
    found = bulk.find_rows(ComponentRow, "name = ?", name, more=_locked())
    return dict(found[0].beat or {}) if found else None


def _locked() -> str:
    """What makes a query hold the rows that it finds."""
    return "" if database.is_sqlite() else "FOR UPDATE"


def note_beat(name: str, what: str, at: datetime, message: str) -> None:
    """What a component told of itself (success, fail, start or log), and how long a run that began with start took."""
    beat = hold_beat(name) or {}
    began = beat.get("start_at")
    if what in ("success", "fail"):
        last = max(beat.get("success_at", ""), beat.get("fail_at", ""))
        took = (at - datetime.fromisoformat(began)).total_seconds() if began and began > last else None
        beat["took_seconds"] = round(took, 1) if took is not None and took >= 0 else None
    if what != "log":
        beat[f"{what}_at"] = at.isoformat()
    if what in ("fail", "log"):
        beat["message"] = message
    ComponentRow.insert(name=name, beat=beat).on_conflict(
        conflict_target=[ComponentRow.name], update={"beat": beat}
    ).execute()


def note_heard(name: str, at: datetime, declared: float | None, silent_at: datetime) -> None:
    """Something was pushed of a component whose silence is a failure: it is looked at when that would be.

    Args:
        declared: after how many seconds its sender says that it is silent; None where the configuration says it.
    """
    beat = {**(hold_beat(name) or {}), "heard_at": at.isoformat(), "silent_after": declared}
    # One that is being looked at is due again by that look.
    due = pw.Case(None, [(ComponentRow.lease_until.is_null(), to_micros(silent_at))], ComponentRow.run_at)
    ComponentRow.insert(name=name, beat=beat, run_at=silent_at).on_conflict(
        conflict_target=[ComponentRow.name], update={"beat": beat, "run_at": due}
    ).execute()


def note_acted(name: str, at: datetime) -> None:
    """An action has ended on it: checks that count failures begin anew."""
    beat = hold_beat(name)
    if beat is not None:
        ComponentRow.update(beat={**beat, "acted_at": at.isoformat()}).where(ComponentRow.name == name).execute()


def find_listened_to() -> list[ComponentRow]:
    """Components that may tell of themselves: all that are configured or have; they are held."""
    return bulk.find_rows(ComponentRow, "beat IS NOT NULL OR configured", more=_locked())


def listen(row: ComponentRow, beat: dict[str, Any], silent_at: datetime | None) -> None:
    """Note since when it is listened to, and plan the look that would miss it; None: that is planned otherwise.

    One that is being looked at is looked at again by then.
    """
    due = {"run_at": silent_at} if silent_at else {}
    bulk.set_row(ComponentRow, row.id, {"beat": beat, **due})


def find_configured() -> set[str]:
    """The components that the latest worker's configuration named."""
    return {name for (name,) in ComponentRow.select(ComponentRow.name).where(ComponentRow.configured).tuples()}


def forget_health(name: str) -> None:
    """What was seen of it counts no more."""
    counts = {"failures": 0, "successes": 0, "looks": NO_LOOKS, "muted": False}
    ComponentRow.update(health=Health.UNKNOWN, memory=None, **counts).where(ComponentRow.name == name).execute()


def configure_components(due: dict[str, datetime | None], now: datetime) -> None:
    """Make the rows of the configured components: {name: when its check is first due, None without a check}.

    One that another worker looks at just now is left to it.
    """
    gone = ComponentRow.name.not_in(list(due)) if len(due) < MOST_NAMES else ComponentRow.configured
    ComponentRow.update(configured=False, run_at=None).where(gone).execute()
    for name, at in due.items():
        soon = pw.Case(None, [(ComponentRow.lease_until.is_null(), to_micros(at))], ComponentRow.run_at) if at else None
        ComponentRow.insert(name=name, configured=True, run_at=at).on_conflict(
            conflict_target=[ComponentRow.name], update={"configured": True, "run_at": soon}
        ).execute()


def claim_components(
    now: datetime, lease_until: datetime, worker: str, limit: int, passing_over: Sequence[str] = ()
) -> list[ComponentRow]:
    """Claim components whose check is due and not under way, but for those passed over."""
    others = " AND NOT name IN ?" if passing_over else ""
    locked = "" if database.is_sqlite() else " FOR UPDATE SKIP LOCKED"
    more = f"ORDER BY run_at LIMIT {int(limit)}{locked}"
    passed_over = [list(passing_over)] if passing_over else []
    claimed = bulk.find_rows(ComponentRow, f"run_at <= ? AND lease_until IS NULL{others}", now, *passed_over, more=more)
    for row in claimed:
        row.fence += 1
    values = [{"fence": row.fence, "lease_until": lease_until, "worker": worker, "run_at": None} for row in claimed]
    bulk.set_rows(ComponentRow, [({"id": row.id}, one) for row, one in zip(claimed, values, strict=True)])
    return claimed


@dataclass(frozen=True, slots=True)
class Looked:
    """A look that has ended: at what, when the next one is due, what it saw, and whether nobody needs to hear of it."""

    row: ComponentRow
    next_at: datetime
    reading: Reading
    quiet: bool


def finish_components(looked: Sequence[Looked], now: datetime) -> set[int]:
    """Let go of claimed components, and note what the quiet looks saw; the ids of those that nobody took over."""
    hurried = _find_hurried(looked)
    changed = 0
    for quiet in (True, False):
        of_these = [one for one in looked if one.quiet is quiet]
        changes = [({"id": one.row.id, "fence": one.row.fence}, _seen(one, hurried, now)) for one in of_these]
        changed += bulk.set_rows(ComponentRow, changes)
    if changed == len(looked):
        return {one.row.id for one in looked}
    ids = [one.row.id for one in looked]
    held = ComponentRow.select(ComponentRow.id, ComponentRow.fence).where(ComponentRow.id.in_(ids))
    fences: dict[int, int] = dict(held.tuples())
    return {one.row.id for one in looked if fences.get(one.row.id) == one.row.fence}


def _find_hurried(looked: Sequence[Looked]) -> dict[int, datetime]:
    """When those are due that were hurried while they were looked at."""
    ids = [one.row.id for one in looked]
    rows = bulk.select("SELECT id, run_at FROM components WHERE id IN ? AND run_at IS NOT NULL", ids) if ids else []
    return {row_id: from_micros(due) for row_id, due in rows}


def _seen(one: Looked, hurried: dict[int, datetime], now: datetime) -> dict[str, Any]:
    """The columns of a look. What is news is left to triage, which may have heard of the component meanwhile."""
    row, reading = one.row, one.reading
    kept = row.memory if reading.memory is None else reading.memory
    due = min(one.next_at, hurried.get(row.id, one.next_at))
    values: dict[str, Any] = {"run_at": due, "lease_until": None, "memory": kept}
    if one.quiet:
        looks = note_look(row.looks, is_bad=False)
        values |= {"seen_at": now, "because": reading.because, "latency_ms": reading.latency_ms, "looks": looks}
    return values


def hurry_components(names: Iterable[str], now: datetime) -> None:
    """Look at components now; at one that is being looked at, right after."""
    wanted = list(names)
    if wanted:
        ComponentRow.update(run_at=now).where(ComponentRow.name.in_(wanted), ComponentRow.configured).execute()


def rest_component(row: ComponentRow) -> None:
    """Let go of a claimed component that is not looked at any more."""
    ComponentRow.update(run_at=None, lease_until=None).where(
        ComponentRow.id == row.id, ComponentRow.fence == row.fence
    ).execute()


def keep_components(rows: Sequence[ComponentRow], until: datetime) -> None:
    """Go on holding what is being looked at; what another worker has taken over is left to it."""
    bulk.set_rows(ComponentRow, [({"id": row.id, "fence": row.fence}, {"lease_until": until}) for row in rows])


def requeue_lost_components(now: datetime) -> None:
    """Checks of components are safe to repeat: what was lost is due again."""
    ComponentRow.update(run_at=now, lease_until=None, fence=ComponentRow.fence + 1).where(
        ComponentRow.lease_until <= now
    ).execute()


def close_breaker(name: str, now: datetime) -> None:
    """A person has another try: what was done in vain before does not count any more."""
    ComponentRow.update(breaker_closed_at=now).where(ComponentRow.name == name).execute()


def mute_component(name: str) -> None:
    """A person resolved it while it fails: silent until it has been healthy once."""
    ComponentRow.update(muted=True).where(ComponentRow.name == name, ComponentRow.health.in_(FAILING)).execute()
