"""The next move of a replay: a canary of each workflow first, then the rest; stop where they fail; end, and say so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from recovery.decide.replay import Candidate, choose_canary, release
from recovery.decide.wording import count_of, time_of
from recovery.model import ExecutionState, ReplayLimits, ReplayState

FAILED_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class LaneView:
    """A workflow of a replay.

    Fields:
        waiting, retrying, recovered, failed, left: its chains, counted. busy: those released, or being retried.
        newest: the newest outcomes of its retries, newest first.
        why: why the newest of those that failed did so.
    """

    workflow_id: str
    name: str
    waiting: int = 0
    retrying: int = 0
    recovered: int = 0
    failed: int = 0
    left: int = 0
    busy: int = 0
    newest: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class ReplayView:
    """A replay that runs.

    Fields:
        candidates: the oldest chains of each workflow that rest.
        busy: workflow -> how many of it are under way on this n8n, whoever retries them.
        released_at: when the last one was released.
    """

    lanes: Sequence[LaneView]
    candidates: Sequence[Candidate]
    busy: dict[str, int]
    started_at: datetime
    released_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What is done next.

    Fields:
        release: [(chain id, when)]. leave: [(workflow id, because)]: what still waits of it is left alone.
        end: the state that the replay ends in; None where it goes on.
    """

    because: str
    release: list[tuple[int, datetime]] = field(default_factory=list)
    leave: list[tuple[str, str]] = field(default_factory=list)
    end: ReplayState | None = None


def plan(view: ReplayView, limits: ReplayLimits, now: datetime) -> ReplayPlan:
    """What a replay does next."""
    stopped = {lane.workflow_id: why for lane in view.lanes if (why := why_stopped(lane))}
    halted = [lane for lane in view.lanes if lane.waiting and lane.workflow_id in stopped]
    leave = [(lane.workflow_id, stopped[lane.workflow_id]) for lane in halted]
    if leave:
        return ReplayPlan("; ".join(because for _, because in leave)[:500], leave=leave)
    if not any(lane.waiting or lane.retrying for lane in view.lanes):
        return _ended(view, stopped, now)
    ready = [one for lane in view.lanes for one in _ready(lane, view.candidates)]
    chosen = release(ready, view.busy, sum(view.busy.values()), view.released_at, limits, now)
    return ReplayPlan(progress(view.lanes), release=chosen)


def why_stopped(lane: LaneView) -> str:
    """Why nothing more of a workflow is run again; "" where it goes on."""
    said = f": {lane.why}" if lane.why else ""
    if lane.failed and not lane.recovered:
        return f"the first of {lane.name} failed again, so the rest of it is left alone{said}"
    streak = lane.newest[:FAILED_IN_A_ROW]
    if len(streak) == FAILED_IN_A_ROW and set(streak) == {ExecutionState.FAILED}:
        return f"{FAILED_IN_A_ROW} of {lane.name} in a row failed again, so the rest of it is left alone{said}"
    return ""


def _ready(lane: LaneView, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those of a workflow that may be released: as long as none has succeeded, one alone."""
    mine = [one for one in candidates if one.workflow_id == lane.workflow_id]
    if lane.recovered:
        return mine
    canary = choose_canary(mine)
    return [canary] if canary and not lane.busy else []


def progress(lanes: Sequence[LaneView]) -> str:
    """How far it has come, in words."""
    ended = sum(lane.recovered + lane.failed + lane.left for lane in lanes)
    total = ended + sum(lane.waiting + lane.retrying for lane in lanes)
    return f"{ended} of {total} have ended; {outcome(lanes)}"


def outcome(lanes: Sequence[LaneView]) -> str:
    """What became of its chains, in words."""
    recovered = sum(lane.recovered for lane in lanes)
    failed, left = sum(lane.failed for lane in lanes), sum(lane.left for lane in lanes)
    told = [f"{recovered} recovered"]
    told += [f"{failed} failed again"] if failed else []
    told += [f"{left} were left alone"] if left else []
    return ", ".join(told)


def _ended(view: ReplayView, stopped: dict[str, str], now: datetime) -> ReplayPlan:
    tried = [lane for lane in view.lanes if lane.recovered or lane.failed]
    took = time_of((now - view.started_at).total_seconds())
    because = f"{outcome(view.lanes)}, of {count_of(_all(view.lanes))}, in {took}"
    if stopped:
        because = f"{because}; {'; '.join(stopped.values())}"
    failed = bool(tried) and len(stopped) == len(tried) and all(not lane.recovered for lane in tried)
    return ReplayPlan(because[:1000], end=ReplayState.STOPPED if failed else ReplayState.DONE)


def _all(lanes: Sequence[LaneView]) -> int:
    return sum(lane.waiting + lane.retrying + lane.recovered + lane.failed + lane.left for lane in lanes)
