"""What each channel was told of an incident: one thread for each episode."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from recovery.store import bulk
from recovery.store.tables import AlertRow, IncidentRow, LineRow, ThreadRow


def open_thread(incident_id: int, episode: int, channel: str) -> ThreadRow:
    """The thread of an episode on a channel; a new one where nothing was told there yet."""
    where = "incident_id = ? AND episode = ? AND channel = ?"
    known = bulk.find_row(ThreadRow, where, incident_id, episode, channel)
    return known or bulk.create(ThreadRow, incident_id=incident_id, episode=episode, channel=channel)


def find_threads(incident_id: int, episode: int) -> list[ThreadRow]:
    """All threads of an episode."""
    return bulk.find_rows(ThreadRow, "incident_id = ? AND episode = ?", incident_id, episode, more="ORDER BY id")


def find_thread(thread_id: int) -> ThreadRow | None:
    """The thread of that id."""
    return bulk.find_row(ThreadRow, "id = ?", thread_id)


def set_thread(row: ThreadRow, **changes: Any) -> None:
    """Note what the channel was told."""
    bulk.set_row(ThreadRow, row.id, changes)
    for name, value in changes.items():
        setattr(row, name, value)


def remember(thread_id: int, memory: Any) -> None:
    """Keep what the channel wants to be handed with the next message of the thread."""
    bulk.set_row(ThreadRow, thread_id, {"memory": memory})


def note_told(bundle_id: int, calls: Collection[str], now: datetime) -> None:
    """The messages that a bundle held back are told: its channel knows of their incidents, and was called for some."""
    told = AlertRow.select(AlertRow.thread_id).join(LineRow, on=(LineRow.mark == AlertRow.key))
    told = told.where(LineRow.bundle_id == bundle_id)
    asked = IncidentRow.select(IncidentRow.asked).where(IncidentRow.id == ThreadRow.incident_id)
    ThreadRow.update(told_at=now).where(ThreadRow.id.in_(told)).execute()
    called = told.where(AlertRow.kind.in_(list(calls)))
    ThreadRow.update(called=asked).where(ThreadRow.id.in_(called)).execute()


def count_owed(channel: str, since: datetime, besides: int) -> int:
    """Of how many other incidents a channel was first to be told since then."""
    sql = "SELECT COUNT(*) FROM threads WHERE channel = ? AND owed_at > ? AND id <> ?"
    return int(bulk.select(sql, channel, since, besides)[0][0])
