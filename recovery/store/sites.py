"""What is known of each n8n, and of each worker."""

from datetime import datetime
from typing import Any

from recovery.store import bulk
from recovery.store.events import add_event
from recovery.store.tables import SiteRow, WorkerRow


def find_site(name: str) -> SiteRow | None:
    """What is known of that n8n."""
    return bulk.find_row(SiteRow, "name = ?", name)


def find_contacts() -> dict[str, datetime]:
    """First contact with each n8n."""
    return {row.name: row.contact_at for row in SiteRow.select() if row.contact_at}


def set_site(name: str, state: str, detail: str, now: datetime, **changes: Any) -> None:
    """Note whether an n8n answers, and what else was learnt; a change goes into history."""
    known = find_site(name)
    values = {"state": state, "detail": detail, "checked_at": now, **changes}
    SiteRow.insert(name=name, **values).on_conflict(conflict_target=[SiteRow.name], update=values).execute()
    before = known.state if known else "unknown"
    if before != state:
        add_event(now, "n8n", name, state, detail or "it answers", before=before)


def beat(worker: str, now: datetime) -> None:
    """The worker lives."""
    WorkerRow.insert(name=worker, started_at=now, beat_at=now).on_conflict(
        conflict_target=[WorkerRow.name], update={"beat_at": now}
    ).execute()


def forget_workers(before: datetime) -> None:
    """Drop workers that have been silent since then."""
    WorkerRow.delete().where(WorkerRow.beat_at < before).execute()
