"""Whether each channel works, and how well it has."""

from datetime import datetime
from typing import Any

import peewee as pw

from recovery.clock import to_micros
from recovery.model import AlertState
from recovery.store.tables import AlertRow, ChannelRow


def find_channels() -> dict[str, ChannelRow]:
    """What is known of channels that failed once, by name."""
    return {row.name: row for row in ChannelRow.select()}


def note_success(name: str) -> None:
    """It works (again)."""
    ours = (ChannelRow.name == name) & ChannelRow.failing_since.is_null(False)
    ChannelRow.update(failing_since=None, troubled_at=None, error="").where(ours).execute()


def note_failure(name: str, error: str, now: datetime) -> ChannelRow:
    """It did not take a message; since when that is so."""
    insert = ChannelRow.insert(name=name, failing_since=now, error=error)
    since = pw.fn.COALESCE(ChannelRow.failing_since, to_micros(now))
    insert.on_conflict(
        conflict_target=[ChannelRow.name], update={ChannelRow.error: error, ChannelRow.failing_since: since}
    ).execute()
    return ChannelRow.get(ChannelRow.name == name)


def begin_trouble(name: str, now: datetime) -> bool:
    """Whether people are to be told now that it fails: once, until it works again."""
    ours = (ChannelRow.name == name) & ChannelRow.troubled_at.is_null()
    return bool(ChannelRow.update(troubled_at=now).where(ours).execute())


def find_troubled() -> set[str]:
    """The channels that people were told of, and that do not work yet."""
    return {row.name for row in ChannelRow.select(ChannelRow.name).where(ChannelRow.troubled_at.is_null(False))}


def measure(since: datetime) -> dict[str, dict[str, Any]]:
    """Of what was to be sent since then, by channel: messages, tries, delivered, failed, and seconds to delivery."""
    found: dict[str, dict[str, Any]] = {}
    took: dict[str, list[float]] = {}
    columns = (AlertRow.channel, AlertRow.state, AlertRow.tries, AlertRow.released_at, AlertRow.delivered_at)
    for channel, state, tries, released, delivered in (
        AlertRow.select(*columns).where(AlertRow.released_at >= since).tuples()
    ):
        one = found.setdefault(channel, {"messages": 0, "tries": 0, "delivered": 0, "failed": 0})
        one["messages"] += 1
        one["tries"] += tries
        one["delivered"] += state == AlertState.DELIVERED
        one["failed"] += state == AlertState.FAILED
        if delivered is not None:
            took.setdefault(channel, []).append((delivered - released).total_seconds())
    for channel, one in found.items():
        times = sorted(took.get(channel, ()))
        one["share"] = round(one["delivered"] / one["tries"], 4) if one["tries"] else None
        for name, part in (("p50_seconds", 0.5), ("p95_seconds", 0.95)):
            one[name] = times[min(int(part * len(times)), len(times) - 1)] if times else None
    return found
