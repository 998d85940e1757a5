"""The one call that runs somebody's work again, and what n8n's answer to it means."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from recovery.decide import replay
from recovery.decide.replay import Chain
from recovery.model import ExecutionState, N8nDoor, N8nError
from recovery.store import database, recoveries, sites
from recovery.store.tables import ExecutionRow
from recovery.worker.context import LEASE, now_for_effect
from recovery.worker.recording import SOON, hear, leave, record, refuse_site

SECOND_LOOK = timedelta(seconds=15)
LATEST = LEASE / 2
WAITING, RETRYING = ExecutionState.WAITING, ExecutionState.RETRYING
MOST_CONFLICTS, MOST_PUT_OFF = 5, 9
LONGEST_WAIT = timedelta(minutes=5)


def ask_n8n(row: ExecutionRow, door: N8nDoor, chain: Chain, intended_at: datetime) -> None:
    """The effect. From here on only n8n knows whether the run happened.

    Where this machine or the database hung since the intent was written down, another worker may have looked for the
    run, found none, and begun one: then n8n is looked at first.
    """
    late = now_for_effect() - intended_at
    if late > LATEST:
        because = f"the retry was about to begin when {late.total_seconds():.0f} s went by: n8n is looked at again"
        record(row, RETRYING, because, run_at=now_for_effect(), looks=0)
        return
    try:
        answer = door.retry(chain.leaf_id)
    except N8nError as problem:
        _refused(row, problem)
        return
    with database.write():
        sites.accept(row.site)
    if answer is None:
        because = "n8n did not answer in time: the run goes on there, and is followed"
        # At once: a success that n8n does not save can only be seen while it runs.
        record(row, RETRYING, because, run_at=now_for_effect())
    else:
        _answered(row, door, answer)


def _answered(row: ExecutionRow, door: N8nDoor, answer: Mapping[str, Any]) -> None:
    now = now_for_effect()
    new_id, status = str(answer.get("id") or ""), answer.get("status")
    if status == "success" and new_id:
        because = f"its retry {new_id} succeeded"
        leaf = {"leaf_id": new_id, "recovered_at": now}
        record(row, ExecutionState.RECOVERED, because, Chain(answer, (new_id,)), **leaf)
    elif status in replay.FAILED and new_id:
        hear(row, door, Chain(answer, (new_id,)), RETRYING)
    else:
        record(row, RETRYING, "n8n answered; the outcome is looked up", run_at=now)


def _refused(row: ExecutionRow, problem: N8nError) -> None:
    now = now_for_effect()
    if problem.kind == "not_found":
        leave(row, "n8n cannot retry it: it is gone, or its data was not saved")
    elif problem.kind == "conflict":
        again = row.looks < MOST_CONFLICTS
        because = f"n8n would not retry it now: {problem}"
        if row.replay_id and not again:  # no later attempt would try it
            leave(row, because)
            return
        _not_begun(row, because, run_at=now + SOON if again else None, looks=row.looks + 1)
    elif problem.permanent or problem.kind in ("refused", "dns", "rate_limited"):
        _put_off(row, problem)
    else:
        because = f"nobody knows whether the retry began ({problem}): n8n is looked at again"
        record(row, RETRYING, because, run_at=now + SECOND_LOOK, looks=0)


def _put_off(row: ExecutionRow, problem: N8nError) -> None:
    """n8n did not take the call: asked again later and later, or not at all where that cannot help."""
    because, tries = f"n8n did not take the retry: {problem}", row.unread + 1
    if problem.permanent:
        refuse_site(row.site, problem)
        _not_begun(row, because)
    elif tries >= MOST_PUT_OFF:
        asks = not row.replay_id
        record(row, ExecutionState.LEFT_ALONE, f"{tries} times {because}", asks=asks, retries=row.retries)
    else:
        wait = min(SOON * 2**tries, LONGEST_WAIT)
        _not_begun(row, because, run_at=now_for_effect() + wait, unread=tries)


def _not_begun(row: ExecutionRow, because: str, **changes: Any) -> None:
    """No run began, so none is counted, and what a person allowed is still allowed, unless they cancelled meanwhile."""
    with database.decide():
        goes_on = row.incident_id and recoveries.find_active(row.incident_id)
        record(row, WAITING, because, retries=row.retries, permit=row.permit if goes_on else None, **changes)
