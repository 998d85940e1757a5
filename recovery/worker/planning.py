"""Carries out the planner's moves: each recovery that is due gets its one next move, in one transaction."""

from datetime import datetime, timedelta
from typing import Any

from recovery.decide import planner
from recovery.decide.replay import Candidate, choose_canary, release
from recovery.model import (
    ExecutionState,
    PlannedAction,
    PlannedCheck,
    Playbook,
    RecoveryState,
    Stage,
    StepKind,
    StepState,
)
from recovery.store import components, database, executions, incidents, recoveries, sites, steps
from recovery.store.tables import ExecutionRow, IncidentRow, RecoveryRow, StepRow
from recovery.worker import calling
from recovery.worker.context import Context

MOST_MOVES = 50
BLOCKING = ("unauthorized", "forbidden", "too_old")


def plan_recoveries(ctx: Context, now: datetime) -> None:
    """Move every recovery that is due."""
    with database.write():
        for row in recoveries.find_due_recoveries(now):
            incident = incidents.find_incident(row.incident_id)
            for _ in range(MOST_MOVES):
                if not _move(ctx, incident, row, now):
                    break


def _move(ctx: Context, incident: IncidentRow, row: RecoveryRow, now: datetime) -> bool:
    """One move; True where another may follow at once."""
    playbook = thaw(row.playbook)
    mirror_canary(incident, row, now)
    view = _view(ctx, incident, row, playbook)
    move = planner.plan(view, now)
    if isinstance(move, planner.Rest):
        recoveries.set_recovery(row, row.because, now, wake_at=move.until)
        return False
    if isinstance(move, planner.AddCheck):
        return _add_check(incident, row, move, now)
    if isinstance(move, planner.AddAction):
        return _add_action(ctx, incident, row, playbook, move, now)
    if isinstance(move, planner.StartCanary):
        return _start_canary(ctx, incident, row, playbook, now)
    if isinstance(move, planner.ReplayRest):
        back: dict[str, Any] = {"stage": 1, "attempt": 1, "replaying": True, "setback": None, "state": RecoveryState.RUNNING}
        recoveries.set_recovery(row, move.because, now, attempts_made=row.attempts_made + 1, next_at=None, **back)
        return True
    if isinstance(move, planner.ReleaseMore):
        return _release(ctx, incident, row, move.because, now)
    if isinstance(move, planner.NextAttempt):
        return _next_attempt(row, move, now)
    if isinstance(move, planner.AskPerson):
        _ask_person(ctx, incident, row, move.because, now)
        return False
    _end(ctx, incident, row, playbook, move, now)
    return False


def _view(ctx: Context, incident: IncidentRow, row: RecoveryRow, playbook: Playbook) -> planner.RecoveryView:
    counted = executions.count_chains(row.incident_id)
    known = components.find_components([incident.component]).get(incident.component)
    return planner.RecoveryView(
        state=RecoveryState(row.state),
        stage=row.stage,
        attempt=row.attempt,
        playbook=playbook,
        steps=[_step_facts(step) for step in steps.find_steps_from(row.id, row.first_step)],
        waiting=counted.get("waiting", 0),
        retrying=counted.get("retrying", 0),
        asking=counted["asking"],
        replaying=row.replaying,
        setback=row.setback or "",
        next_at=row.next_at,
        seen_at=known.seen_at if known else None,
        healthy=bool(known and known.health == "healthy"),
        blocked=_blocked(incident, ctx),
    )


def _blocked(incident: IncidentRow, ctx: Context) -> str:
    """Why n8n cannot be asked to retry anything, however often; "" where it can."""
    if not ctx.policy.sites:
        return "no n8n is connected"
    name = incident.site if incident.site in ctx.policy.sites else ctx.policy.sites[0]
    site = sites.find_site(name)
    return site.detail if site and site.state in BLOCKING else ""


def _step_facts(step: StepRow) -> planner.StepFacts:
    why = step.error or step.result or ""
    return planner.StepFacts(step.number, StepKind(step.kind), step.name, StepState(step.state), step.finished_at, why)


def mirror_canary(incident: IncidentRow, row: RecoveryRow, now: datetime) -> None:
    """A canary step stands for an execution: what became of that is what became of the step."""
    for step in steps.find_steps_from(row.id, row.first_step):
        if step.chain_id is None or step.state != StepState.RUNNING:
            continue
        chain = executions.find_chains([step.chain_id])[step.chain_id]
        state = _canary_state(chain, incident.id)
        if state:
            steps.finish_canary(step, state, chain.because, now)


def _canary_state(chain: ExecutionRow, incident_id: int) -> StepState | None:
    if chain.state == ExecutionState.RECOVERED:
        return StepState.SUCCEEDED
    if chain.incident_id != incident_id or chain.state == ExecutionState.LEFT_ALONE:
        return StepState.SKIPPED
    waits = chain.state == ExecutionState.WAITING and chain.run_at is None and chain.lease_until is None
    return StepState.FAILED if waits or chain.state == ExecutionState.FAILED else None


def _add_check(incident: IncidentRow, row: RecoveryRow, move: planner.AddCheck, now: datetime) -> bool:
    at = move.at or now
    steps.add_step(
        row, StepKind.CHECK, move.check.name, move.because, now, StepState.QUEUED,
        args=move.check.args, run_at=at, component=incident.component,
    )  # fmt: skip
    _run(row, move.because, now)
    return False


def _add_action(
    ctx: Context, incident: IncidentRow, row: RecoveryRow, playbook: Playbook, move: planner.AddAction, now: datetime
) -> bool:
    action = move.action
    dry = playbook.dry_run or ctx.dry_run
    skip, because = move.skip or dry, "dry run: it would be run now" if dry and not move.skip else move.because
    step = steps.add_step(
        row, StepKind.ACTION, action.name, because, now, StepState.SKIPPED if skip else StepState.QUEUED,
        args=action.args, run_at=None if skip else now, safe_to_repeat=action.safe_to_repeat,
        timeout_seconds=action.timeout_seconds, component=incident.component,
    )  # fmt: skip
    if skip:
        steps.finish_canary(step, StepState.SKIPPED, because, now)
    _run(row, because, now)
    return skip


def _start_canary(ctx: Context, incident: IncidentRow, row: RecoveryRow, playbook: Playbook, now: datetime) -> bool:
    waiting = executions.find_waiting(incident.id)
    chosen = choose_canary([_candidate(chain) for chain in waiting])
    if chosen is None:
        _run(row, "the executions that wait are released already", now)
        return False
    chain = next(one for one in waiting if one.id == chosen.chain_id)
    because = f"one execution goes first: {chain.leaf_id} of {chain.workflow_name}"
    if playbook.dry_run or ctx.dry_run:
        told = f"dry run: would retry {because}, then {len(waiting) - 1} more"
        step = steps.add_step(row, StepKind.ACTION, planner.CANARY, told, now, StepState.SKIPPED)
        steps.finish_canary(step, StepState.SKIPPED, told, now)
        _end(ctx, incident, row, playbook, planner.End(False, told), now)
        return False
    steps.add_step(
        row, StepKind.ACTION, planner.CANARY, because, now, StepState.RUNNING,
        chain_id=chain.id, started_at=now, component=incident.component,
    )  # fmt: skip
    executions.release_chain(chain.id, now)
    _run(row, because, now)
    return False


def _candidate(chain: ExecutionRow) -> Candidate:
    return Candidate(chain.id, chain.workflow_id, chain.failed_at, chain.retries)


def _release(ctx: Context, incident: IncidentRow, row: RecoveryRow, because: str, now: datetime) -> bool:
    waiting = executions.find_waiting(incident.id)
    busy, workflows = executions.count_busy(incident.id, [chain.workflow_id for chain in waiting])
    candidates = [_candidate(chain) for chain in waiting]
    chosen = release(candidates, workflows, busy, row.released_at, ctx.policy.replay, now)
    for chain_id, at in chosen:
        executions.release_chain(chain_id, at)
    last = chosen[-1][1] if chosen else row.released_at
    # Other incidents may hold a workflow's only place: look again even if nothing of ours ends.
    recoveries.set_recovery(row, because, now, released_at=last, wake_at=now + timedelta(seconds=1))
    return False


def _next_attempt(row: RecoveryRow, move: planner.NextAttempt, now: datetime) -> bool:
    executions.hold_back(row.incident_id)
    recoveries.set_recovery(
        row, move.because, now,
        state=RecoveryState.RUNNING if move.at <= now else RecoveryState.WAITING,
        stage=move.stage, attempt=move.attempt, attempts_made=row.attempts_made + 1,
        first_step=steps.next_number(row.id), replaying=False, setback=None, next_at=move.at, wake_at=move.at,
    )  # fmt: skip
    return move.at <= now


def _ask_person(ctx: Context, incident: IncidentRow, row: RecoveryRow, because: str, now: datetime) -> None:
    """A step that waits for a person's yes; what may have had its effect is never repeated without one."""
    steps.add_step(row, StepKind.ACTION, planner.CANARY, because, now, StepState.QUEUED, component=incident.component)
    recoveries.set_recovery(
        row, because, now, state=RecoveryState.AWAITING_APPROVAL, wake_at=None, next_at=None, replaying=False
    )
    calling.call_person(ctx, incident, because, now)


def _end(
    ctx: Context, incident: IncidentRow, row: RecoveryRow, playbook: Playbook, move: planner.End, now: datetime
) -> None:
    state = RecoveryState.SUCCEEDED if move.succeeded else RecoveryState.FAILED
    executions.hold_back(row.incident_id)
    row.attempts_made += 0 if row.replaying else 1
    recoveries.set_recovery(row, move.because, now, attempts_made=row.attempts_made)
    recoveries.end_recovery(row, state, move.because, now)
    if move.succeeded:
        incidents.wake_incidents([incident.id], now)
        return
    quiet = playbook.mended and incident.told_at is not None
    calling.call_person(ctx, incident, move.because, now, quiet)


def _run(row: RecoveryRow, because: str, now: datetime) -> None:
    recoveries.set_recovery(row, because, now, state=RecoveryState.RUNNING, next_at=None, wake_at=None)


def thaw(frozen: dict) -> Playbook:
    """The playbook that a recovery started with, from its stored copy."""
    values = dict(frozen)
    values["stages"] = tuple(Stage(**stage) for stage in values["stages"])
    values["actions"] = tuple(PlannedAction(**action) for action in values["actions"])
    values["check"] = PlannedCheck(**values["check"]) if values["check"] else None
    return Playbook(**values)
