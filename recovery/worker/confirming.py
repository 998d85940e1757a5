"""What a step sees of its component: its own look, and one before an action that waited since it was confirmed.

A worker may be down for hours between the plan and the deed, and a person's yes may take as long.
"""

from dataclasses import replace
from typing import Any

from recovery.decide.planner import is_old
from recovery.decide.readings import last_said
from recovery.model import DoorError, Doors, Health, PlannedCheck, Reading, StepKind, StepState
from recovery.redact import redact
from recovery.sources import probe
from recovery.store import components, database, recoveries, signals, steps
from recovery.store.tables import StepRow
from recovery.worker.beginning import LOOK_AGAIN, check_of, must_wait
from recovery.worker.by_hand import go_on
from recovery.worker.context import Context, now_for_effect
from recovery.worker.facts import component_facts
from recovery.worker.looks import look_now

WELL_BY_NOW = "not needed: it waited since the look that confirmed the failure, and is healthy by now"


def doors_of(ctx: Context, row: StepRow) -> Doors:
    """Doors that write down which process a command is before it does anything."""

    def started(group: int, at: float) -> None:
        with database.write():
            if not steps.note_process(row, group, at):
                raise DoorError("another worker took this step over", permanent=True)

    return ctx.doors_for_step(started) if ctx.doors_for_step else ctx.doors


def look(ctx: Context, row: StepRow, check: PlannedCheck) -> Reading:
    """Look at the step's component, or at what the check is of.

    Raises:
        DoorError: it did not end in time.
    """
    with database.read():
        known = components.find_components([row.component]).get(row.component)
    reading = look_now(row.component or check.name, check, doors_of(ctx, row), ctx.background, now_for_effect(), known)
    if row.component:
        ctx.looks.watch(row.component, reading)
    return reading


def still_fails(ctx: Context, row: StepRow) -> bool:
    """Whether a claimed step may begin as far as its component's check can tell.

    False where that finds it healthy by now, which ends the step, or cannot say yet, which puts it off.
    """
    if row.kind == StepKind.CHECK or row.recovery_id is None or row.back or row.dry or ctx.dry_run:
        return True
    before = _confirmed_by(row)
    check = check_of(ctx, before) if before else None
    if check is None:
        return not _is_heard_well(ctx, row)
    with database.decide():  # what waits, maybe for hours, is looked at when its time has come
        if must_wait(ctx, row, now_for_effect()):
            return False
    return _look_anew(ctx, row, check)


def _look_anew(ctx: Context, row: StepRow, check: PlannedCheck) -> bool:
    try:
        reading = look(ctx, row, check)
    except Exception as problem:  # noqa: BLE001 a look that breaks is a bad one
        reading = Reading("", False, str(problem))
    now = now_for_effect()
    reading = ctx.connectivity.believed(ctx, replace(reading, component=row.component), now)
    with database.decide():
        if reading.healthy is None:
            steps.put_off_step(row, reading.because, now, now + LOOK_AGAIN)
        elif reading.healthy and steps.finish_step(row, StepState.SKIPPED, now, result=WELL_BY_NOW):
            _note_healthy(row, check, reading)
            go_on(ctx, row, now)
    return reading.healthy is False


def _is_heard_well(ctx: Context, row: StepRow) -> bool:
    """Whether pushed probes, by which it is acted upon without a check, say by now that it is well: that ends it."""
    with database.decide():
        playbook = recoveries.find_recovery(row.recovery_id or 0).playbook
        trusted = playbook["trust_probes"] and not playbook["check"] and not steps.find_step_before(row)
        known = components.find_components([row.component]).get(row.component) if trusted else None
        if known is None or last_said(component_facts(known)) is not Health.HEALTHY or steps.count_lost(row):
            return False
        now = now_for_effect()
        if steps.finish_step(row, StepState.SKIPPED, now, result=WELL_BY_NOW):
            go_on(ctx, row, now)
    return True


def _confirmed_by(row: StepRow) -> StepRow | None:
    """The look that confirmed the failure, where that is long ago; None where nothing needs to be looked at anew.

    What follows another action of its attempt belongs to that, and what was begun before may be half done.
    """
    with database.read():
        before = steps.find_step_before(row)
        confirmed = (
            before is not None and before.kind == StepKind.CHECK and is_old(before.finished_at, now_for_effect())
        )
        return before if confirmed and not steps.count_lost(row) else None


def _note_healthy(row: StepRow, check: PlannedCheck, reading: Reading) -> None:
    """The look is a step of its recovery, for that ends because of it."""
    now = now_for_effect()
    told: dict[str, Any] = {"component": row.component, "args": redact(check.args), "result": reading.because}
    because = "confirm it anew: it waited since the last look"
    recovery = recoveries.find_recovery(row.recovery_id or 0)
    steps.add_step(
        recovery, StepKind.CHECK, check.name, because, now, StepState.SUCCEEDED, started_at=now, finished_at=now, **told
    )
    signals.add_signals([probe.own_signal(reading, f"step:{row.id}:{row.fence}")], now)
