"""Steps: claim, run, record. Three short transactions around an effect, and a fence that drops what came too late."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from recovery import actions
from recovery.model import (
    About,
    Asked,
    Done,
    DoorError,
    Failed,
    FailureType,
    NotNeeded,
    PlannedCheck,
    Reading,
    Result,
    Severity,
    StepKind,
    StepState,
)
from recovery.sources import probe
from recovery.store import components, database, incidents, requests, signals, steps
from recovery.store.tables import StepRow
from recovery.worker import by_hand
from recovery.worker.arguments import args_of
from recovery.worker.beginning import LOOK_AGAIN, begin, check_of
from recovery.worker.by_hand import go_on
from recovery.worker.confirming import doors_of, look, still_fails
from recovery.worker.context import Context, now_for_effect
from recovery.worker.upkeep import Keeper

MOST_BEGINNINGS = 3  # of one step: an action that takes its worker with it would do so for ever
NOT_SAFE = "its worker was lost while it ran, and it is not safe to repeat"
NEVER_AGAIN = f"its worker was lost each of the {MOST_BEGINNINGS} times that it ran, which may be its own doing"
Ended = Done | Failed | NotNeeded


def run_steps(ctx: Context, now: datetime) -> None:
    """Claim the steps that are due, and run each in a thread."""
    pool = ctx.pool("steps")
    if pool.free <= 0:
        return
    with database.write():
        claimed = steps.claim_steps(now, ctx.lease(now), ctx.worker, pool.free, ctx.connectivity.out_of_reach(ctx))
    for row in claimed:
        pool.run(run_step, ctx, row)


def run_step(ctx: Context, row: StepRow) -> None:
    """One claimed step, from just before its effect to its record."""
    with Keeper(lambda until: steps.keep_step(row, until)):
        if not still_fails(ctx, row):
            return
        with database.decide():
            if not begin(ctx, row, now_for_effect()):
                return
        answer = _run_plugin(ctx, row)
    _record(ctx, row, answer)


def _run_plugin(ctx: Context, row: StepRow) -> Result | Reading:
    try:
        if row.kind == StepKind.CHECK:
            return look(ctx, row, check_of(ctx, row) or PlannedCheck(row.name, row.args))
        plugin = actions.REGISTRY.find(row.name)
        args, about = plugin.args.model_validate(args_of(ctx, row)), _about(ctx, row)
        if row.dry and plugin.preview:
            return NotNeeded(f"dry run: would {plugin.preview(args, ctx.doors, about)}")
        if row.back and plugin.back:
            undone: Result = plugin.back(args, doors_of(ctx, row), about)
            return undone
        return plugin.run(args, doors_of(ctx, row), about)
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)
    except Exception as problem:  # noqa: BLE001 a broken plugin fails its step, with its reason
        return Failed(f"{type(problem).__name__}: {problem}")


def _about(ctx: Context, row: StepRow) -> About:
    """What an action is told of what it is run for."""
    with database.read():
        memory = steps.last_memory(row.component, row.name, row.args)
        if row.order_id is not None or row.incident_id is None:
            return by_hand.about_of(ctx, row, now_for_effect(), memory)
        incident = incidents.find_incident(row.incident_id)
    return About(
        component=row.component,
        now=now_for_effect(),
        incident_id=incident.id,
        failure_type=FailureType(incident.failure_type),
        severity=Severity(incident.severity),
        cause=incident.cause,
        opened_at=incident.opened_at,
        stage=row.stage,
        attempt=row.attempt,
        link=ctx.link(incident.id),
        key=f"{incident.opened_at:%Y%m%dT%H%M%SZ}-{row.recovery_id}.{row.number}",
        memory=memory,
    )


def _record(ctx: Context, row: StepRow, answer: Result | Reading) -> None:
    now = now_for_effect()
    with database.decide():
        if isinstance(answer, Reading):
            reading = ctx.connectivity.believed(ctx, replace(answer, component=row.component), now)
            recorded = _record_reading(row, reading, now)
        elif isinstance(answer, Asked):
            recorded = False  # it is not over yet
            if steps.hand_over(row):
                requests.ask(row, answer, now)
        else:
            recorded = _record_result(row, answer, now)
        if recorded:
            go_on(ctx, row, now)


def _record_reading(row: StepRow, reading: Reading, now: datetime) -> bool:
    if reading.healthy is None and row.component:  # nothing is confirmed or verified by it
        steps.requeue_step(row, reading.because, now, now + LOOK_AGAIN)
        return False
    state = StepState.SUCCEEDED if reading.healthy else StepState.FAILED
    told: dict[str, Any] = {"result": reading.because} if reading.healthy else {"error": reading.because}
    recorded = steps.finish_step(row, state, now, **told)
    if recorded and row.component:
        signals.add_signals([probe.own_signal(reading, f"step:{row.id}:{row.fence}")], now)
    return recorded


def _record_result(row: StepRow, answer: Ended, now: datetime) -> bool:
    state, told = _told(answer)
    memory = answer.memory if isinstance(answer, Done) else None
    if row.back and state is StepState.SUCCEEDED:
        memory = {}  # what was done is undone
    recorded = steps.finish_step(row, state, now, memory=memory, **told)
    if recorded and state is StepState.SUCCEEDED and row.component:
        components.note_acted(row.component, now)
    return recorded


def _told(answer: Ended) -> tuple[StepState, dict[str, Any]]:
    if isinstance(answer, Done):
        return StepState.SUCCEEDED, {"result": answer.detail}
    if isinstance(answer, NotNeeded):
        return StepState.SKIPPED, {"result": answer.why}
    return StepState.FAILED, {"error": answer.why}


def take_over_lost_steps(ctx: Context, now: datetime) -> None:
    """Steps whose worker was killed: end what survived of them, then repeat, or say that nobody knows."""
    with database.write():
        lost = steps.find_lost_steps(now)
    for row in lost:
        _end_survivor(ctx, row)
    with database.decide():
        for row in lost:
            _take_over(ctx, row, now)


def _end_survivor(ctx: Context, row: StepRow) -> None:
    """A killed worker's command may still run: it is ended before anything else is done."""
    if row.process_group and row.process_started is not None:
        ctx.doors.machine.end_group(row.process_group, row.process_started)


def _take_over(ctx: Context, row: StepRow, now: datetime) -> None:
    if row.started_at is None:
        steps.requeue_step(row, "its worker was lost before it began", now)
    elif row.kind == StepKind.CHECK or (row.safe_to_repeat and steps.count_lost(row) + 1 < MOST_BEGINNINGS):
        steps.requeue_step(row, steps.LOST_AND_REPEATED, now)
    else:
        steps.lose_step(row, NEVER_AGAIN if row.safe_to_repeat else NOT_SAFE, now)
        go_on(ctx, row, now)
