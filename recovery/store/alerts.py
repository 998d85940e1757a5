"""The outbox: what is owed to people, until a channel has taken it."""

from datetime import datetime, timedelta
from typing import Any

import peewee as pw

from recovery.model import AlertKind, AlertState
from recovery.store import database
from recovery.store.events import add_event
from recovery.store.tables import AlertRow

IN_TURN = timedelta(seconds=1)


def add_alert(
    key: str, incident_id: int, kind: str, channel: str, severity: str, facts: dict[str, Any], now: datetime
) -> bool:
    """One message over one channel; False where that key is owed already."""
    query = AlertRow.insert(
        key=key,
        incident_id=incident_id,
        kind=kind,
        channel=channel,
        severity=severity,
        facts=facts,
        state=AlertState.QUEUED,
        run_at=now,
        created_at=now,
    ).on_conflict_ignore()
    return bool(list(query.returning(AlertRow.id)))


def claim_alerts(now: datetime, lease_until: datetime, worker: str, limit: int) -> list[AlertRow]:
    """Claim alerts that are due, oldest first."""
    _put_off_recovered(now)
    query = AlertRow.select().where(AlertRow.run_at <= now).order_by(AlertRow.run_at, AlertRow.id).limit(limit)
    claimed = []
    for row in database.skip_locked(query):
        row.fence, row.tries = row.fence + 1, row.tries + 1
        AlertRow.update(
            fence=row.fence,
            lease_until=lease_until,
            worker=worker,
            run_at=None,
            state=AlertState.SENDING,
            tries=row.tries,
        ).where(AlertRow.id == row.id).execute()
        claimed.append(row)
    return claimed


def _put_off_recovered(now: datetime) -> None:
    """That all is well again waits for what is being told of the incident on its channel: else, where a failure is
    told again after a crash, it would follow its own recovery."""
    before = AlertRow.alias()
    under_way = (before.state == AlertState.SENDING) | (before.run_at <= now)
    of_its_own = (before.incident_id == AlertRow.incident_id) & (before.channel == AlertRow.channel)
    too_early = pw.fn.EXISTS(before.select(pw.SQL("1")).where(of_its_own, before.id < AlertRow.id, under_way))
    AlertRow.update(run_at=now + IN_TURN).where(
        AlertRow.kind == AlertKind.RECOVERED, AlertRow.run_at <= now, too_early
    ).execute()


def finish_alert(row: AlertRow, state: AlertState, because: str, now: datetime, run_at: datetime | None = None) -> bool:
    """Record what became of a claimed alert; False where somebody took it over."""
    delivered = state is AlertState.DELIVERED
    values: dict[str, Any] = {"state": state, "lease_until": None, "run_at": run_at, "because": because}
    values |= {"delivered_at": now, "error": None} if delivered else {"error": because}
    condition = (AlertRow.id == row.id) & (AlertRow.fence == row.fence) & (AlertRow.state == AlertState.SENDING)
    if AlertRow.update(**values).where(condition).execute() != 1:
        return False
    add_event(now, "alert", row.key, state, because, row.incident_id, AlertState.SENDING)
    return True


def requeue_lost_alerts(now: datetime) -> None:
    """Delivered at least once: what was lost while being sent is sent again, with the same key."""
    AlertRow.update(run_at=now, lease_until=None, state=AlertState.QUEUED, fence=AlertRow.fence + 1).where(
        AlertRow.lease_until <= now
    ).execute()
