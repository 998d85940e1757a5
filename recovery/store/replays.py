"""Replays: what people order, and how far the worker has come with it."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from recovery.model import ReplayState
from recovery.store import bulk, database, wake
from recovery.store.events import add_event
from recovery.store.tables import ReplayRow

OVER = (ReplayState.DONE, ReplayState.STOPPED, ReplayState.CANCELLED)
GOES_ON = (ReplayState.READING, ReplayState.ASKING, ReplayState.RUNNING)


def add_replay(who: str, now: datetime, said_yes: bool, **order: Any) -> ReplayRow:
    """Write down what a person orders, and wake the worker.

    Args:
        said_yes: nobody is asked once it is counted. order: the columns that say what is meant.
    """
    with database.write():
        because = "n8n is read first"
        row = bulk.create(
            ReplayRow, who=who, asked_at=now, yes_at=now if said_yes else None, run_at=now,
            state=ReplayState.READING, because=because, **order,
        )  # fmt: skip
        add_event(now, "replay", row.id, row.state, f"{who} asked for it", who=who)
    wake.wake_worker()
    return row


def find_replay(replay_id: int) -> ReplayRow | None:
    """One replay, or None."""
    return bulk.find_row(ReplayRow, "id = ?", replay_id)


def say_yes(replay_id: int, now: datetime) -> bool:
    """A person wants it to begin; False where it does not wait for that."""
    return _ask(replay_id, (ReplayState.ASKING,), now, yes_at=now)


def ask_to_cancel(replay_id: int, who: str, now: datetime) -> bool:
    """A person wants no more of it; False where it is over."""
    return _ask(replay_id, GOES_ON, now, cancel_at=now, cancelled_by=who)


def _ask(replay_id: int, states: tuple[str, ...], now: datetime, **word: Any) -> bool:
    meant = (ReplayRow.id == replay_id) & ReplayRow.state.in_(states)
    with database.write():
        taken = ReplayRow.update(**word).where(meant).execute() == 1
        # One that is read just now notices by itself.
        ReplayRow.update(run_at=now).where(meant, ReplayRow.lease_until.is_null()).execute()
    wake.wake_worker()
    return taken


def find_newest(states: Collection[str], limit: int) -> list[ReplayRow]:
    """The newest replays in one of these states."""
    query = ReplayRow.select().where(ReplayRow.state.in_(list(states)))
    return list(query.order_by(ReplayRow.id.desc()).limit(limit))


def find_active() -> dict[int, str]:
    """The replays that are not over: {id: state}."""
    return dict(bulk.select("SELECT id, state FROM replays WHERE state IN ?", list(GOES_ON)))


def find_earlier(row: ReplayRow) -> int | None:
    """The replay before it that runs on the same n8n; None where there is none."""
    earlier = ReplayRow.select(ReplayRow.id).where(
        ReplayRow.site == row.site, ReplayRow.state == ReplayState.RUNNING, ReplayRow.id < row.id
    )
    found = earlier.order_by(ReplayRow.id).first()
    return found.id if found else None


def find_due(now: datetime) -> list[ReplayRow]:
    """Replays that are to be looked at now."""
    query = ReplayRow.select().where(ReplayRow.run_at <= now).order_by(ReplayRow.id)
    return list(database.skip_locked(query))


def set_replay(row: ReplayRow, because: str, now: datetime, **changes: Any) -> None:
    """Change a replay; a change of its state goes into history."""
    before = row.state
    changes = {"because": because, **changes}
    bulk.set_row(ReplayRow, row.id, changes)
    for name, value in changes.items():
        setattr(row, name, value)
    if row.state != before:
        add_event(now, "replay", row.id, row.state, because, before=before, who=_who(row))


def _who(row: ReplayRow) -> str:
    return str(row.cancelled_by) if row.state == ReplayState.CANCELLED and row.cancelled_by else "medic"


def end_replay(row: ReplayRow, state: ReplayState, because: str, now: datetime) -> None:
    """It is over, one way or another."""
    set_replay(row, because, now, state=state, ended_at=now, run_at=None)


def wake_replay(replay_id: int | None, now: datetime) -> None:
    """Have a replay that runs looked at: something has become of one of its chains."""
    if replay_id:
        later = (ReplayRow.run_at > now) & (ReplayRow.state == ReplayState.RUNNING)
        ReplayRow.update(run_at=now).where(ReplayRow.id == replay_id, later).execute()


def set_aside(replay_id: int, until: datetime) -> None:
    """Leave it alone until then, so that it holds up no other."""
    ReplayRow.update(run_at=until).where(ReplayRow.id == replay_id).execute()


# -- reading n8n, with a lease


def claim_reading(row: ReplayRow, lease_until: datetime, worker: str) -> None:
    """Hold it while n8n is read."""
    row.fence += 1
    row.lease_until, row.worker, row.run_at = lease_until, worker, None
    held = {"fence": row.fence, "lease_until": lease_until, "worker": worker, "run_at": None, "read": 0}
    ReplayRow.update(**held).where(ReplayRow.id == row.id).execute()


def keep_reading(row: ReplayRow, **progress: Any) -> bool:
    """Hold it longer, or tell how far it has come; False where somebody took it over, or a person cancelled it."""
    held = (ReplayRow.id == row.id) & (ReplayRow.fence == row.fence) & ReplayRow.lease_until.is_null(False)
    return ReplayRow.update(**progress).where(held, ReplayRow.cancel_at.is_null()).execute() == 1


def is_reading(row: ReplayRow) -> bool:
    """Whether it is still held, to be asked in the transaction that writes what was read."""
    return keep_reading(row, worker=row.worker)


def let_go(row: ReplayRow, because: str, now: datetime, at: datetime | None, **changes: Any) -> bool:
    """Reading has ended, or is broken off until `at`; False where somebody took it over."""
    known = bulk.find_row(ReplayRow, "id = ? AND fence = ?", row.id, row.fence)
    if known is None or known.lease_until is None:
        return False
    row.cancel_at = known.cancel_at
    at = now if known.cancel_at else at
    set_replay(row, because, now, lease_until=None, run_at=at, **changes)
    return True


def find_lost(now: datetime) -> list[ReplayRow]:
    """Those whose worker did not come back in time."""
    return list(database.skip_locked(ReplayRow.select().where(ReplayRow.lease_until <= now)))


def requeue_lost(row: ReplayRow, now: datetime) -> None:
    """Let it be read anew."""
    again = {"lease_until": None, "run_at": now, "fence": ReplayRow.fence + 1}
    ReplayRow.update(**again).where(ReplayRow.id == row.id, ReplayRow.fence == row.fence).execute()
