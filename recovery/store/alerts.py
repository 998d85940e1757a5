"""The outbox: what is owed to people, held until its hour, then until a channel has taken it."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from recovery.model import AlertKind, AlertState
from recovery.store import bulk, database
from recovery.store.events import add_event
from recovery.store.tables import AlertRow

UNFINISHED = (AlertState.QUEUED, AlertState.SENDING)


def add_alert(
    key: str, incident_id: int, kind: str, channel: str, severity: str, facts: dict[str, Any], now: datetime
) -> bool:
    """One message over one channel, owed at once; False where that key is owed already."""
    row = hold_alert(key, incident_id, kind, channel, severity, facts, now)
    if row:
        release_alert(row, now)
    return row is not None


def hold_alert(
    key: str, incident_id: int, kind: str, channel: str, severity: str, facts: dict[str, Any], now: datetime,
    held_until: datetime | None = None, thread_id: int | None = None, bundle_id: int | None = None,
) -> AlertRow | None:  # fmt: skip
    """One message over one channel, held until then; None where that key is owed already.

    Args:
        incident_id: 0 where it is about no single incident.
        held_until: None where something else releases it.
        thread_id, bundle_id: what it belongs to: of each, messages are told in order.
    """
    return bulk.create_once(
        AlertRow,
        key=key,
        incident_id=incident_id,
        kind=kind,
        channel=channel,
        severity=severity,
        facts=facts,
        state=AlertState.HELD,
        held_until=held_until,
        thread_id=thread_id,
        bundle_id=bundle_id,
        created_at=now,
    )


def release_alert(
    row: AlertRow, now: datetime, facts: dict[str, Any] | None = None, pass_on_at: datetime | None = None
) -> None:
    """Have it sent: now, or as soon as what its channel is told before it of its incident or bundle has been taken.

    Args:
        pass_on_at: when another channel carries it too, if it was not taken by then.
    """
    before = _unfinished_before(row)
    changes: dict[str, Any] = {
        "state": AlertState.QUEUED,
        "held_until": None,
        "released_at": now,
        "run_at": None if before else now,
        "after_id": before,
        "pass_on_at": pass_on_at,
    }
    changes |= {"facts": facts} if facts is not None else {}
    bulk.set_row(AlertRow, row.id, changes)
    for name, value in changes.items():
        setattr(row, name, value)


def _unfinished_before(row: AlertRow) -> int | None:
    """The last message on the same incident over the channel, in whatever episode, or of the same bundle, that is
    still being told."""
    for column, value in (("incident_id", row.incident_id or None), ("bundle_id", row.bundle_id)):
        if value is not None:
            where = f"{column} = ? AND channel = ? AND id <> ? AND state IN ?"
            sql = f"SELECT MAX(id) FROM alerts WHERE {where}"  # noqa: S608 our own
            found = bulk.select(sql, value, row.channel, row.id, list(UNFINISHED))[0][0]
            if found:
                return int(found)
    return None


def _of_the_same(row: AlertRow) -> Any:
    """Is on the same incident, over the same channel."""
    return (AlertRow.incident_id == row.incident_id) & (AlertRow.channel == row.channel)


def set_facts(row: AlertRow, facts: dict[str, Any]) -> None:
    """What it tells, which may have changed while it was held."""
    bulk.set_row(AlertRow, row.id, {"facts": facts})
    row.facts = facts


def hold_until(row: AlertRow, until: datetime | None, state: AlertState = AlertState.HELD) -> None:
    """Leave it held, until another time, or for want of room (`held_back`)."""
    bulk.set_row(AlertRow, row.id, {"held_until": until, "state": state})
    row.held_until, row.state = until, state


def fold_alert(row: AlertRow, because: str, now: datetime) -> None:
    """It is told of by another message, or by none."""
    changes = {"state": AlertState.FOLDED, "held_until": None, "run_at": None, "because": because}
    bulk.set_row(AlertRow, row.id, changes)
    add_event(now, "alert", row.key, AlertState.FOLDED, because, row.incident_id or None, row.state)
    row.state = AlertState.FOLDED


def find_held(thread_id: int) -> list[AlertRow]:
    """What is held of a thread, oldest first."""
    return bulk.find_rows(AlertRow, "thread_id = ? AND state = ?", thread_id, AlertState.HELD, more="ORDER BY id")


def find_held_of(incident_id: int, kind: AlertKind) -> list[AlertRow]:
    """What is held of an incident, of one kind."""
    where = "incident_id = ? AND state = ? AND kind = ?"
    return bulk.find_rows(AlertRow, where, incident_id, AlertState.HELD, str(kind))


def find_due_held(now: datetime, limit: int = 200) -> list[AlertRow]:
    """What is held no longer, oldest first."""
    query = AlertRow.select().where(AlertRow.held_until <= now).order_by(AlertRow.held_until, AlertRow.id).limit(limit)
    return list(database.skip_locked(query))


def find_by_key(keys: Collection[str]) -> list[AlertRow]:
    """The messages of these keys."""
    return list(AlertRow.select().where(AlertRow.key.in_(list(keys))).order_by(AlertRow.id)) if keys else []


def find_held_of_kind(kind: AlertKind) -> list[AlertRow]:
    """Everything of a kind that is held."""
    return list(AlertRow.select().where(AlertRow.kind == kind, AlertRow.state == AlertState.HELD))


def hasten(bundle_id: int, until: datetime) -> None:
    """Have the message about a bundle no later than then."""
    where = "bundle_id = ? AND state = ? AND held_until > ?"
    for row in bulk.find_rows(AlertRow, where, bundle_id, AlertState.HELD, until):
        hold_until(row, until)


def hasten_from(until: datetime, now: datetime) -> None:
    """A silence that was to end then has ended now: what it held is looked at."""
    AlertRow.update(held_until=now).where(AlertRow.held_until == until, AlertRow.state == AlertState.HELD).execute()


def carried_since(channel: str, since: datetime, limit: int) -> list[datetime]:
    """When a channel was given its last messages, oldest first."""
    query = AlertRow.select(AlertRow.released_at).where(AlertRow.channel == channel, AlertRow.released_at > since)
    return [row.released_at for row in query.order_by(AlertRow.released_at.desc()).limit(limit)][::-1]


def claim_alerts(now: datetime, lease_until: datetime, worker: str, limit: int) -> list[AlertRow]:
    """Claim alerts that are due, oldest first."""
    more = f"ORDER BY run_at, id LIMIT {int(limit)} {bulk.passing_over()}"
    claimed = bulk.find_rows(AlertRow, "run_at <= ?", now, more=more)
    for row in claimed:
        row.fence, row.tries, row.state = row.fence + 1, row.tries + 1, AlertState.SENDING
        held = {"lease_until": lease_until, "worker": worker, "run_at": None}
        bulk.set_row(AlertRow, row.id, {"fence": row.fence, "tries": row.tries, "state": row.state, **held})
    return claimed


def finish_alert(row: AlertRow, state: AlertState, because: str, now: datetime, run_at: datetime | None = None) -> bool:
    """Record what became of a claimed alert; False where somebody took it over. What waited for it is due then."""
    delivered = state is AlertState.DELIVERED
    values: dict[str, Any] = {"state": state, "lease_until": None, "run_at": run_at, "because": because}
    values |= {"delivered_at": now, "error": None, "pass_on_at": None} if delivered else {"error": because}
    condition = (AlertRow.id == row.id) & (AlertRow.fence == row.fence) & (AlertRow.state == AlertState.SENDING)
    if AlertRow.update(**values).where(condition).execute() != 1:
        return False
    if state not in UNFINISHED:
        free_followers(row, now)
    add_event(now, "alert", row.key, state, because, row.incident_id or None, AlertState.SENDING)
    return True


def free_followers(row: AlertRow, now: datetime) -> None:
    """What was to be told after it is told now."""
    AlertRow.update(run_at=now, after_id=None).where(AlertRow.after_id == row.id).execute()


def was_taken_since(channel: str, since: datetime) -> bool:
    """Whether a channel has taken anything since then."""
    return bool(bulk.select("SELECT 1 FROM alerts WHERE channel = ? AND delivered_at > ? LIMIT 1", channel, since))


def requeue_lost_alerts(now: datetime) -> None:
    """Delivered at least once: what was lost while being sent is sent again, with the same key.

    A try that was lost says nothing of the channel, so it makes no later wait longer.
    """
    changes = {"run_at": now, "lease_until": None, "state": AlertState.QUEUED, "fence": AlertRow.fence + 1}
    AlertRow.update(tries=AlertRow.tries - 1, **changes).where(AlertRow.lease_until <= now).execute()


def find_to_pass_on(row: AlertRow, kinds: Collection[AlertKind], before: datetime) -> list[AlertRow]:
    """What waits behind a message that was not taken, calls a person, and has waited since before then."""
    late = (AlertRow.released_at <= before) & (AlertRow.state == AlertState.QUEUED) & (AlertRow.id > row.id)
    query = AlertRow.select().where(_of_the_same(row), late, AlertRow.kind.in_(list(kinds)), ~AlertRow.passed_over)
    return list(query.order_by(AlertRow.id)) if row.incident_id else []


def holds_up(row: AlertRow, kinds: Collection[AlertKind]) -> bool:
    """Whether a message of these kinds waits until this one is taken."""
    waits = _of_the_same(row) & (AlertRow.state == AlertState.QUEUED) & (AlertRow.id > row.id)
    return bool(row.incident_id) and AlertRow.select().where(waits, AlertRow.kind.in_(list(kinds))).exists()


def hurry_those_before(row: AlertRow, now: datetime) -> None:
    """What is told before it is tried at once, however long it was to rest."""
    waits = (AlertRow.state == AlertState.QUEUED) & (AlertRow.run_at > now) & (AlertRow.id < row.id)
    AlertRow.update(run_at=now).where(_of_the_same(row), waits).execute()


def find_late(now: datetime, limit: int = 200) -> list[AlertRow]:
    """What was not taken in time."""
    query = AlertRow.select().where(AlertRow.pass_on_at <= now).order_by(AlertRow.pass_on_at).limit(limit)
    return list(database.skip_locked(query))


def plan_passing(row: AlertRow, at: datetime | None) -> None:
    """When another channel carries it too; None: no more."""
    bulk.set_row(AlertRow, row.id, {"pass_on_at": at})


def mark_passed_over(row: AlertRow) -> bool:
    """Note that another channel carries it too; False where one does already."""
    ours = (AlertRow.id == row.id) & ~AlertRow.passed_over
    return bool(AlertRow.update(passed_over=True).where(ours).execute())
