"""Components: their readings in a row, and when their check is next due."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from recovery.store import bulk, database
from recovery.store.events import add_event
from recovery.store.tables import ComponentRow


def find_components(names: Iterable[str]) -> dict[str, ComponentRow]:
    """Components by their names, those that are known."""
    found = (bulk.find_row(ComponentRow, "name = ?", name) for name in set(names))
    return {row.name: row for row in found if row}


def set_component(name: str, before: str, now: datetime, because: str, **changes: Any) -> None:
    """Write what a reading changed; a change of health goes into history."""
    changed = changes.get("health", before) != before
    if changed:
        changes["changed_at"] = now
        add_event(now, "component", name, changes["health"], because, before=before)
    values = {"because": because, **changes}
    ComponentRow.insert(name=name, **values).on_conflict(conflict_target=[ComponentRow.name], update=values).execute()


def configure_components(due: dict[str, datetime | None], now: datetime) -> None:
    """Make the rows of the configured components: {name: when its check is first due, None without a check}."""
    ComponentRow.update(configured=False, run_at=None).where(ComponentRow.name.not_in(list(due) or [""])).execute()
    for name, at in due.items():
        ComponentRow.insert(name=name, configured=True, run_at=at).on_conflict(
            conflict_target=[ComponentRow.name],
            update={"configured": True, "run_at": at, "lease_until": None, "fence": ComponentRow.fence + 1},
        ).execute()


def claim_components(now: datetime, lease_until: datetime, worker: str, limit: int) -> list[ComponentRow]:
    """Claim components whose check is due."""
    query = ComponentRow.select().where(ComponentRow.run_at <= now).order_by(ComponentRow.run_at).limit(limit)
    claimed = list(database.skip_locked(query))
    for row in claimed:
        row.fence += 1
        ComponentRow.update(fence=row.fence, lease_until=lease_until, worker=worker, run_at=None).where(
            ComponentRow.id == row.id
        ).execute()
    return claimed


def finish_component(row: ComponentRow, next_at: datetime, **changes: Any) -> bool:
    """Let go of a claimed component; False where somebody took it over."""
    condition = (ComponentRow.id == row.id) & (ComponentRow.fence == row.fence)
    return ComponentRow.update(run_at=next_at, lease_until=None, **changes).where(condition).execute() == 1


def requeue_lost_components(now: datetime) -> None:
    """Checks of components are safe to repeat: what was lost is due again."""
    ComponentRow.update(run_at=now, lease_until=None, fence=ComponentRow.fence + 1).where(
        ComponentRow.lease_until <= now
    ).execute()


def mute_component(name: str) -> None:
    """A person resolved it while it fails: silent until it has been healthy once."""
    ComponentRow.update(muted=True).where(ComponentRow.name == name, ComponentRow.health == "unhealthy").execute()
