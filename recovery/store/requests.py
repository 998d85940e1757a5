"""Requests: what agents are asked to restart. The worker asks, an agent takes and answers, the worker reads."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from recovery.clock import from_micros
from recovery.model import Asked
from recovery.redact import redact_text
from recovery.store import bulk, database, wake
from recovery.store.tables import AgentRow, RequestRow, StepRow

ASKED, TAKEN, ENDED, WITHDRAWN, LOST = "asked", "taken", "ended", "withdrawn", "lost"
AT_ONCE = from_micros(0)  # whatever the clock of the machine that the agent reached says
MOST_OUTPUT = 4_000
SEEN_EVERY = timedelta(seconds=5)  # what is seen sooner again is not worth a write


class NoSuchRequest(LookupError):
    """This agent was never asked that."""


class NotTheirs(Exception):  # noqa: N818 as it is said
    """Somebody else took it, or nobody did: the text says which."""


def ask(step: StepRow, asked: Asked, now: datetime) -> None:
    """Ask an agent, for a step that it then holds. Of each step once, however often the step is begun."""
    row = {
        "step_id": step.id, "incident_id": step.incident_id, "recovery_id": step.recovery_id,
        "agent": asked.agent, "what": asked.what, "state": ASKED, "asked_at": now,
        "until": now + timedelta(seconds=asked.within_seconds), "wake_at": now,
    }  # fmt: skip
    bulk.add_rows(RequestRow, [row], " ON CONFLICT (step_id) DO NOTHING")


def find_due(now: datetime, limit: int = 100) -> list[RequestRow]:
    """Those that the worker is to look at: answered, or no longer to be waited for."""
    query = RequestRow.select().where(RequestRow.wake_at <= now).order_by(RequestRow.wake_at).limit(limit)
    return list(database.skip_locked(query))


def look_later(row: RequestRow, at: datetime) -> None:
    """Look at it then, if no answer comes before."""
    _while(row.id, RequestRow.answered_at.is_null(), wake_at=at)


def set_aside(row: RequestRow, at: datetime) -> None:
    """Leave it alone until then."""
    _while(row.id, RequestRow.wake_at.is_null(False), wake_at=at)


def withdraw(row: RequestRow) -> bool:
    """Nobody is to take it any more; False where somebody just has."""
    return _while(row.id, RequestRow.state == ASKED, state=WITHDRAWN, wake_at=None)


def withdraw_untaken(recovery_id: int) -> list[int]:
    """Withdraw what a recovery asked and nobody has taken; the ids of the steps that waited for it."""
    query = RequestRow.select().where(RequestRow.recovery_id == recovery_id, RequestRow.state == ASKED)
    return [row.step_id for row in list(query) if withdraw(row)]


def end(row: RequestRow) -> None:
    """Its answer was read."""
    _while(row.id, RequestRow.answered_at.is_null(False), state=ENDED, wake_at=None)


def lose(row: RequestRow) -> bool:
    """Its time is over, and nobody knows what became of it; False where its answer just came."""
    return _while(row.id, RequestRow.answered_at.is_null(), state=LOST, wake_at=None)


def _storable(output: str) -> str:
    """The end of what a command said, without secrets and without what an engine does not take."""
    return redact_text(output.encode("utf-8", "replace").decode().replace("\x00", ""))[-MOST_OUTPUT:]


def _while(request_id: int, condition: Any, **values: Any) -> bool:
    return RequestRow.update(**values).where(RequestRow.id == request_id, condition).execute() == 1


def find_agent(name: str) -> AgentRow | None:
    """What is known of an agent; None where it has never asked for anything."""
    return bulk.find_row(AgentRow, "name = ?", name)


def note_agent(name: str, offers: Sequence[str], now: datetime) -> None:
    """It asked for work just now, and says what it may restart."""
    known = find_agent(name)
    if known and list(known.offers) == list(offers) and timedelta(0) <= now - known.seen_at < SEEN_EVERY:
        return
    row = {"name": name, "seen_at": now, "offers": list(offers)}
    with database.write():
        bulk.add_rows(
            AgentRow, [row], " ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at, offers = excluded.offers"
        )


def take(agent: str, mark: str, now: datetime) -> RequestRow | None:
    """The request that the agent took under this mark, else the oldest that waits for it; None where none does.

    Asked again under the same mark it gives the same one again, for the first answer may have been lost.
    """
    mine = (RequestRow.agent == agent) & (RequestRow.until > now)
    held = mine & (RequestRow.state == TAKEN) & (RequestRow.mark == mark) & RequestRow.answered_at.is_null()
    taken = RequestRow.select().where(held).first()
    waits = mine & (RequestRow.state == ASKED)
    if taken or not RequestRow.select(RequestRow.id).where(waits).exists():
        return taken
    with database.write():
        row: RequestRow | None = RequestRow.select().where(waits).order_by(RequestRow.id).first()
        is_ours = row and _while(row.id, RequestRow.state == ASKED, state=TAKEN, mark=mark, taken_at=now)
    return row if is_ours else None


def answer(agent: str, request_id: int, mark: str, told: dict[str, Any], now: datetime) -> None:
    """Store what an agent says of a request that it took, once, and wake the worker.

    Raises:
        NoSuchRequest: it was never asked that.
        NotTheirs: it did not take it under this mark.
    """
    with database.write():
        row = RequestRow.get_or_none(RequestRow.id == request_id, RequestRow.agent == agent)
        if row is None:
            raise NoSuchRequest(f"there is no request {request_id} to {agent}")
        if row.mark is None or row.mark != mark:
            raise NotTheirs("it was taken by another agent of this name" if row.mark else "it was not taken")
        told = told | {"output": _storable(str(told.get("output", "")))}
        unheard = RequestRow.answered_at.is_null()
        _while(row.id, unheard, answered_at=now, answer=told, wake_at=AT_ONCE)
    wake.wake_worker()
