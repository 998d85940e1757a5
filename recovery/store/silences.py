"""Silences: incidents that nobody is told of for a time. The web writes them, the worker heeds them."""

from datetime import datetime
from typing import Any

from recovery.store import alerts, calls, wake
from recovery.store.database import write
from recovery.store.events import add_event
from recovery.store.tables import SilenceRow


def add_silence(
    matcher: dict[str, Any], starts_at: datetime, ends_at: datetime, note: str, who: str, now: datetime
) -> SilenceRow:
    """A new silence, with an audit line."""
    with write():
        row = SilenceRow.create(
            matcher=matcher, starts_at=starts_at, ends_at=ends_at, note=note, who=who, created_at=now
        )
        add_event(now, "silence", row.id, f"until {ends_at.isoformat()}", note or f"{who} asked for it", who=who)
    wake.wake_worker()
    return row


def end_silence(silence_id: int, who: str, now: datetime) -> SilenceRow | None:
    """End it now: who was not told or called because of it is. None where it is none, or over already."""
    with write():
        row = SilenceRow.get_or_none(SilenceRow.id == silence_id)
        if row is None or row.ends_at <= now:
            return None
        calls.hasten_from(row.ends_at, now)
        alerts.hasten_from(row.ends_at, now)
        row.ends_at = now
        SilenceRow.update(ends_at=now).where(SilenceRow.id == silence_id).execute()
        add_event(now, "silence", row.id, "ended", f"{who} ended it", who=who)
    wake.wake_worker()
    return row


def find_open(now: datetime) -> list[SilenceRow]:
    """Those that have begun and not ended."""
    query = SilenceRow.select().where(SilenceRow.starts_at <= now, SilenceRow.ends_at > now)
    return list(query.order_by(SilenceRow.id))


def find_not_over(now: datetime, limit: int) -> list[SilenceRow]:
    """Those that have not ended, the next to end first."""
    return list(SilenceRow.select().where(SilenceRow.ends_at > now).order_by(SilenceRow.ends_at).limit(limit))
