"""Tells somebody again of what needs a person, until somebody has answered: steps of the escalation, and reminders."""

from datetime import datetime, timedelta
from functools import partial

from recovery.decide import escalating
from recovery.decide.telling import Way, plan_telling, wait_for_quiet
from recovery.model import AlertKind, IncidentState, Severity
from recovery.store import alerts, calls, database, events, incidents, threads
from recovery.store.tables import CallRow, IncidentRow
from recovery.worker.alert_facts import subject_of
from recovery.worker.calling import owe_all
from recovery.worker.context import Context
from recovery.worker.guarding import ASIDE, work_on_all
from recovery.worker.hushing import why_hushed

TOO_SOON = timedelta(minutes=1)  # a button is pressed more than once
NEEDS_HUMAN, REMINDER = AlertKind.NEEDS_HUMAN, AlertKind.REMINDER


def remind(ctx: Context, now: datetime) -> None:
    """Every call that nobody has answered, and whose time has come."""

    def aside(row: CallRow, why: str) -> None:
        calls.set_call(row, due_at=now + ASIDE)

    with database.decide():
        work_on_all(partial(calls.find_due, now), partial(_remind_all, ctx, now), "call", aside)


def _remind_all(ctx: Context, now: datetime, rows: list[CallRow]) -> None:
    known = incidents.find_incidents([row.incident_id for row in rows])
    for row in rows:
        _remind_of(ctx, row, known.get(row.incident_id), now)


def _remind_of(ctx: Context, call: CallRow, incident: IncidentRow | None, now: datetime) -> None:
    if incident is None or _is_answered(call, incident):
        calls.set_call(call, due_at=None, snoozed_until=None)
        return
    hush = why_hushed(ctx, incident, now)
    if hush:
        calls.set_call(call, due_at=hush.until)
        return
    _tell_again(ctx, call, incident, "nobody has acknowledged", now)


def _is_answered(call: CallRow, incident: IncidentRow) -> bool:
    """Nobody needs to be told again. Who snoozed it is told then, though they knew of it."""
    if incident.state != IncidentState.NEEDS_HUMAN:
        return True
    at = incident.acknowledged_at
    return at is not None and at >= call.called_at and call.snoozed_until is None


def escalate(ctx: Context, incident: IncidentRow, because: str, now: datetime) -> str:
    """A person wants the next one told, whatever the time; how that is said. "" where that was done just now."""
    call = calls.find_call(incident.id) or calls.begin_call(incident.id, now, incident.because, "")
    has_next = call.steps < len(ctx.alerting.escalation)
    if now - call.told_at < TOO_SOON and not (has_next and call.told_at == call.called_at):
        return ""
    return _tell_again(ctx, call, incident, because, now, at_once=True)


def _tell_again(
    ctx: Context, call: CallRow, incident: IncidentRow, why: str, now: datetime, at_once: bool = False
) -> str:
    policy = ctx.alerting
    view = escalating.CallView(call.called_at, call.told_at, call.steps, call.reminders)
    step = escalating.next_step(view, policy, now)
    if at_once and call.steps < len(policy.escalation):
        step = policy.escalation[call.steps]
    taken = call.steps + (1 if step else 0)
    names = (
        escalating.reached([step], policy, ctx.channels, now) if step else _all_reached(ctx, incident, call.steps, now)
    )
    told = f"step {taken} of the escalation" if step else "a reminder"
    because = f"{why}: {call.because or incident.because}"
    reminders = call.reminders + (0 if step else 1)
    _tell_each(ctx, incident, names, because, call, taken + reminders, at_once, now)
    due = escalating.due_at(escalating.CallView(call.called_at, now, taken, reminders), policy)
    calls.set_call(call, steps=taken, reminders=reminders, told_at=now, snoozed_until=None, due_at=due)
    outcome = ", ".join(names) or "nobody: only the pages tell"
    events.add_event(now, "alert", incident.id, f"{told}: {outcome}", why, incident.id)
    return f"{told}: {outcome}"


def _all_reached(ctx: Context, incident: IncidentRow, steps: int, now: datetime) -> list[str]:
    """Everybody who was called so far."""
    plan = plan_telling(NEEDS_HUMAN, subject_of(ctx, incident), ctx.alerting, ctx.channels, now)
    names = {way.channel for way in plan.ways}
    names |= set(escalating.reached(ctx.alerting.escalation[:steps], ctx.alerting, ctx.channels, now))
    return [plan.name for plan in ctx.channels if plan.name in names]


def _tell_each(
    ctx: Context, incident: IncidentRow, names: list[str], because: str, call: CallRow, number: int, at_once: bool,
    now: datetime,
) -> None:  # fmt: skip
    """Who was called is reminded; who was not yet is called."""
    known = {thread.channel: thread for thread in threads.find_threads(incident.id, incident.episode)}
    base, severity = f"{incident.id}.{incident.episode}", Severity(incident.severity)
    for name in names:
        thread = known.get(name)
        kind = REMINDER if thread and thread.called >= incident.asked else NEEDS_HUMAN
        mark = f"{REMINDER}.{incident.asked}.{number}" if kind is REMINDER else f"{NEEDS_HUMAN}.{incident.asked}"
        at = now if at_once else wait_for_quiet(name, kind, severity, ctx.alerting, now)
        owe_all(ctx, incident, kind, [Way(name, at)], f"{base}.{mark}", because, now, call.link, call.steps + 1)


def fold_reminders(incident_id: int, because: str, now: datetime) -> None:
    """Somebody has answered: reminders that are still held are needed no more."""
    for row in alerts.find_held_of(incident_id, REMINDER):
        alerts.fold_alert(row, because, now)
