"""Carries out the planner's moves: each recovery that is due gets its next moves, in one transaction."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from recovery.decide import brakes, moves, planner
from recovery.decide.replay import Candidate, choose_canary, release
from recovery.model import ExecutionState, PlannedAction, RecoveryState, StepKind, StepState, thaw
from recovery.model.links import Decision
from recovery.redact import redact
from recovery.store import acted, database, executions, incidents, orders, recoveries, steps
from recovery.store.tables import ExecutionRow, RecoveryRow, StepRow
from recovery.worker import calling
from recovery.worker.cases import Case, Known, view_of
from recovery.worker.context import Context
from recovery.worker.guarding import ASIDE, work_on_all
from recovery.worker.holding import is_held
from recovery.worker.learning import note_outcome
from recovery.worker.worsening import note_stage

MOST_MOVES = 50


def plan_recoveries(ctx: Context, now: datetime) -> None:
    """Move every recovery that is due."""

    def aside(row: RecoveryRow, why: str) -> None:
        recoveries.set_aside(row.id, now + ASIDE)

    with database.decide():
        work_on_all(partial(recoveries.find_due_recoveries, now), partial(_move_all, ctx, now), "recovery", aside)


def _move_all(ctx: Context, now: datetime, rows: list[RecoveryRow]) -> None:
    told_of = incidents.find_incidents([row.incident_id for row in rows])
    cases = [Case(ctx, told_of[row.incident_id], row, thaw(row.playbook), now) for row in rows]
    cases = [case for case in cases if not is_held(ctx, case.row, case.incident.component, now)]
    known = Known.of(cases)
    for case in cases:
        _move_on(case, known)


def _move_on(case: Case, known: Known) -> None:
    for _ in range(MOST_MOVES):
        if not _move(case, known):
            break
        known = Known.of([case])


def _move(case: Case, known: Known) -> bool:
    """One move; True where another may follow at once."""
    for step in known.steps[case.row.id]:
        mirror_canary(case, step)
    move = planner.plan(view_of(case, known), case.now)
    note_outcome(case, known.steps[case.row.id], move)
    return CARRY_OUT[type(move)](case, move)


def mirror_canary(case: Case, step: StepRow) -> None:
    """A canary step stands for an execution: what became of that is what became of the step."""
    if step.chain_id is None or step.state != StepState.RUNNING:
        return
    chain = executions.find_chains([step.chain_id])[step.chain_id]
    is_ours, is_let_go = chain.incident_id == case.incident.id, chain.run_at is None and chain.lease_until is None
    state = planner.canary_state(ExecutionState(chain.state), is_ours, is_let_go)
    if state:
        steps.finish_canary(step, state, chain.because, case.now)


def _rest(case: Case, move: moves.Rest) -> bool:
    case.set(case.row.because, wake_at=move.until)
    return False


def _add_check(case: Case, move: moves.AddCheck) -> bool:
    check = move.check
    whose = case.incident.component if check.component is None else check.component
    case.add_step(
        StepKind.CHECK, check.name, move.because, StepState.QUEUED,
        args=check.args, run_at=move.at or case.now, component=whose,
    )  # fmt: skip
    case.run(move.because)
    return False


def _add_action(case: Case, move: moves.AddAction) -> bool:
    action, dry = move.action, case.dry and not move.skip
    word = brakes.Go() if move.skip or dry else _brake(case, action)
    if isinstance(word, brakes.Stop):
        return _end(case, moves.End(False, f"{word.because}; {move.because}"))
    if isinstance(word, brakes.Wait):
        case.set(word.because, wake_at=word.until)
        return False
    if move.confirm:
        return _add_check(case, moves.AddCheck(move.confirm, "confirm it anew: it waited since the last look"))
    asks = move.ask and not dry
    because = f"dry run, so it is only told what it would do: {move.because}" if dry else move.because
    step = case.add_step(
        StepKind.ACTION, action.name, because, StepState.SKIPPED if move.skip else StepState.QUEUED,
        args=redact(action.args), run_at=None if move.skip or asks else case.now, dry=dry, host=action.host,
        safe_to_repeat=dry or action.safe_to_repeat, timeout_seconds=action.timeout_seconds,
        back_after_seconds=action.back_after_seconds,
    )  # fmt: skip
    if move.skip:
        steps.finish_canary(step, StepState.SKIPPED, because, case.now)
    if asks:
        return _await_yes(case, step, because)
    case.run(because)
    return move.skip


def stop_short(ctx: Context, step: StepRow, because: str, now: datetime) -> None:
    """A step that was allowed, and may not begin any more, ends its recovery, and a person is called."""
    recovery = recoveries.find_recovery(step.recovery_id or 0)
    if not steps.finish_step(step, StepState.SKIPPED, now, result=because) or recovery.active_key is None:
        return  # another worker, or a person, was faster
    incident = incidents.find_incident(recovery.incident_id)
    case = Case(ctx, incident, recovery, thaw(recovery.playbook), now)
    _end(case, moves.End(False, f"{step.name} was not begun: {because}"))


def _brake(case: Case, action: PlannedAction) -> brakes.Word:
    component, limits = case.incident.component, case.ctx.policy.brakes
    lately = acted.find_lately(action, component, case.ctx.policy, case.now, case.playbook.name, case.row.id)
    return brakes.judge(action.name, lately, limits, case.now, case.playbook.by_person)


def _await_yes(case: Case, step: StepRow, because: str) -> bool:
    """Nothing is done before a person has said yes, or the time for it is over."""
    until = case.now + timedelta(seconds=case.ctx.policy.brakes.approve_within_seconds)
    told = f"{step.name} needs a person's yes by {until:%H:%M} (UTC): {because}"
    case.set(told, state=RecoveryState.AWAITING_APPROVAL, next_at=until, wake_at=until)
    link = case.ctx.decision_link(Decision(case.incident.id, case.row.id, step.number, until))
    calling.call_person(case.ctx, case.incident, told, case.now, link=link)
    return False


def _unanswered(case: Case, move: moves.Unanswered) -> bool:
    steps.give_up_steps(case.row.id, move.because, case.now)
    if case.ctx.policy.brakes.unanswered == "next_stage":
        view = view_of(case, Known.of([case]))
        following = planner.next_stage(view, case.now, move.because)
        return CARRY_OUT[type(following)](case, following)
    return _end(case, moves.End(False, move.because))


def _start_canary(case: Case, move: moves.StartCanary) -> bool:
    waiting = executions.find_waiting(case.incident.id)
    chosen = choose_canary([_candidate(chain) for chain in waiting])
    if chosen is None:
        case.run("the executions that wait are released already")
        return False
    chain = next(one for one in waiting if one.id == chosen.chain_id)
    because = f"{move.because}: {chain.leaf_id} of {chain.workflow_name}"
    if case.dry:
        more = executions.count_chains(case.incident.id).get("waiting", 1) - 1
        told = f"dry run: would retry {chain.leaf_id} of {chain.workflow_name}, then {more} more"
        case.add_step(StepKind.ACTION, planner.CANARY, told, StepState.SKIPPED, finished_at=case.now, result=told)
        return _end(case, moves.End(False, told))
    case.add_step(StepKind.ACTION, planner.CANARY, because, StepState.RUNNING, chain_id=chain.id, started_at=case.now)
    executions.release_chain(chain.id, case.now)
    case.run(because)
    return False


def _candidate(chain: ExecutionRow) -> Candidate:
    return Candidate(chain.id, chain.workflow_id, chain.failed_at, chain.retries)


def _replay_rest(case: Case, move: moves.ReplayRest) -> bool:
    back = {"stage": 1, "attempt": 1, "replaying": True, "setback": None, "next_at": None}
    made = case.row.attempts_made + 1
    case.set(move.because, attempts_made=made, state=RecoveryState.RUNNING, **back)
    return True


def _release_more(case: Case, move: moves.ReleaseMore) -> bool:
    waiting = executions.find_waiting(case.incident.id)
    if case.dry:  # it was turned on while the rest was being replayed
        return _end(case, moves.End(False, f"dry run: would retry {len(waiting)} more"))
    busy, workflows = executions.count_busy(case.incident.component, [chain.workflow_id for chain in waiting])
    candidates = [_candidate(chain) for chain in waiting]
    chosen = release(candidates, workflows, busy, case.row.released_at, case.ctx.policy.replay, case.now)
    for chain_id, at in chosen:
        executions.release_chain(chain_id, at)
    last = chosen[-1][1] if chosen else case.row.released_at
    # Other incidents may hold a workflow's only place: look again even if nothing of ours ends.
    case.set(move.because, released_at=last, wake_at=case.now + timedelta(seconds=1))
    return False


def _next_attempt(case: Case, move: moves.NextAttempt) -> bool:
    executions.hold_back(case.row.incident_id)
    if move.stage > case.row.stage:
        note_stage(case.ctx, case.incident, case.row.stage, move.because, case.now)
    case.set(
        move.because,
        state=RecoveryState.RUNNING if move.at <= case.now else RecoveryState.WAITING,
        stage=move.stage, attempt=move.attempt, attempts_made=case.row.attempts_made + 1,
        first_step=steps.next_number(case.row.id), replaying=False, setback=None, next_at=move.at, wake_at=move.at,
    )  # fmt: skip
    return move.at <= case.now


def _ask_person(case: Case, move: moves.AskPerson) -> bool:
    """A step that waits for a person's yes; what may have had its effect is never repeated without one."""
    case.add_step(StepKind.ACTION, planner.CANARY, move.because, StepState.QUEUED)
    case.set(move.because, state=RecoveryState.AWAITING_APPROVAL, wake_at=None, next_at=None, replaying=False)
    # Who was called for something else does not know that there is a question.
    asked = steps.is_put_off(case.incident.id, planner.CANARY, case.incident.episode_at)
    calling.call_person(case.ctx, case.incident, move.because, case.now, asked and _known_already(case))
    return False


def _known_already(case: Case) -> bool:
    """A person was called in this episode, and this was only a try at a sign of health: nobody is called again."""
    by_itself = case.playbook.mended and not orders.was_ordered(case.incident.id, case.row.started_at)
    return by_itself and case.incident.told_at is not None


def _end(case: Case, move: moves.End) -> bool:
    state = RecoveryState.SUCCEEDED if move.succeeded else RecoveryState.FAILED
    executions.hold_back(case.row.incident_id)
    case.set(move.because, attempts_made=case.row.attempts_made + (0 if case.row.replaying else 1))
    recoveries.end_recovery(case.row, state, move.because, case.now)
    if move.succeeded:
        incidents.wake_incidents([case.incident.id], case.now)
        return False
    calling.call_person(case.ctx, case.incident, move.because, case.now, _known_already(case))
    return False


CARRY_OUT: dict[type, Callable[[Case, Any], bool]] = {
    moves.Rest: _rest,
    moves.AddCheck: _add_check,
    moves.AddAction: _add_action,
    moves.StartCanary: _start_canary,
    moves.ReplayRest: _replay_rest,
    moves.ReleaseMore: _release_more,
    moves.NextAttempt: _next_attempt,
    moves.AskPerson: _ask_person,
    moves.Unanswered: _unanswered,
    moves.End: _end,
}
