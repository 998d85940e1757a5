"""What becomes of a request to an agent: waited for, given up, or lost; and what its answer means for the step."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from recovery.model import StepState

SILENT = timedelta(seconds=30)  # an agent asks for work every few seconds
MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request that has no answer yet.

    Fields:
        known: the configuration has such an agent.
        until: it must be answered by then. taken_at: None where the agent has not taken it.
        seen_at: when the agent last asked for work; None: never. offers: what it may restart.
        deaf_until: until when nobody could be heard; None: everybody could.
    """

    agent: str
    what: str
    until: datetime
    taken_at: datetime | None = None
    seen_at: datetime | None = None
    offers: tuple[str, ...] = ()
    deaf_until: datetime | None = None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before."""

    until: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It was not done, and will not be."""

    because: str


@dataclass(frozen=True, slots=True)
class Lose:
    """Nobody knows whether it was done."""

    because: str


def judge(view: RequestView, now: datetime) -> Wait | GiveUp | Lose:
    """What becomes of a request without an answer."""
    if view.taken_at:
        at = f"{view.taken_at:%H:%M:%S} (UTC)"
        lost = f"the agent {view.agent} took it at {at} and has not told since what became of it"
        return Lose(lost) if now >= view.until else Wait(view.until)
    if not view.known:
        return GiveUp(f"the configuration has no agent {view.agent} any more")
    heard = max(filter(None, (view.seen_at, view.deaf_until)), default=None)
    if heard is None or now >= heard + SILENT:
        return GiveUp(_silent(view))
    if view.seen_at and view.what not in view.offers:
        return GiveUp(f"the agent {view.agent} may not restart {view.what!r}: {_offered(view.offers)}")
    if now >= view.until:
        return GiveUp(f"the agent {view.agent} did not come to it in time: it may have been busy")
    return Wait(min(view.until, heard + SILENT))


def _silent(view: RequestView) -> str:
    if view.seen_at is None:
        return (
            f"the agent {view.agent} has never asked for work:"
            " start `medic agent` there with --restarts and --agent-token-file"
        )
    return f"the agent {view.agent} has not been heard of since {view.seen_at:%Y-%m-%d %H:%M:%S} (UTC)"


def _offered(offers: tuple[str, ...]) -> str:
    more = f" and {len(offers) - MOST_SHOWN} more" if len(offers) > MOST_SHOWN else ""
    return f"its own configuration has {', '.join(offers[:MOST_SHOWN])}{more}" if offers else "it may restart nothing"


def meaning_of(agent: str, what: str, answer: Mapping[str, Any]) -> tuple[StepState, str]:
    """What an agent's answer means for the step, and in words."""
    how, code, output = answer.get("how"), answer.get("code"), str(answer.get("output") or "").strip()
    said = f"; it said:\n{output}" if output else ""
    if how == "ended" and code == 0:
        return StepState.SUCCEEDED, f"the agent {agent} restarted {what}{said}"
    words = {
        "ended": f"failed to restart {what}: the command ended with exit code {code}",
        "timed_out": f"ended the restart of {what}, which took too long",
        "refused": f"did not restart {what}",
        "unknown": f"does not know whether it restarted {what}",
    }
    state = StepState.FAILED if how in ("ended", "timed_out", "refused") else StepState.UNKNOWN
    return state, f"the agent {agent} {words.get(str(how), words['unknown'])}{said}"
