"""A channel that fails: what calls a person is carried by another one too, and people are told of the channel."""

from datetime import datetime, timedelta
from functools import partial

from recovery.clock import to_micros
from recovery.decide import alerting
from recovery.decide.incidents import is_about_n8n
from recovery.decide.telling import CALLS
from recovery.model import AlertKind, AlertState, ChannelPlan, DoorError, Severity
from recovery.store import alerts, channels, database, events
from recovery.store.tables import AlertRow
from recovery.worker import calling
from recovery.worker.alert_facts import trouble_facts
from recovery.worker.context import Context
from recovery.worker.guarding import ASIDE, work_on_all

TROUBLE = AlertKind.CHANNEL_TROUBLE
TOLD_AFTER = timedelta(minutes=15)  # of a channel that fails with whatever it is given
CARRIED = (AlertState.QUEUED, AlertState.SENDING, AlertState.HELD)


def note_failure(ctx: Context, row: AlertRow, problem: DoorError, now: datetime) -> None:
    """A channel did not take a message: who must know, and what else carries it."""
    if row.kind == TROUBLE:
        return  # told by every other channel already; what fails there is no news
    known = channels.note_failure(row.channel, str(problem), now)
    if problem.permanent or (known.failing_since and now - known.failing_since >= TOLD_AFTER):
        _tell_of_trouble(ctx, row.channel, str(problem), now)
    if problem.permanent:
        for one in (row, *alerts.find_to_pass_on(row, CALLS, now)):
            _pass_on(ctx, one, str(problem), now)


def pass_on_late(ctx: Context, now: datetime) -> None:
    """What calls a person, and was not taken in time."""

    def aside(row: AlertRow, why: str) -> None:
        alerts.plan_passing(row, now + ASIDE)

    with database.decide():
        work_on_all(partial(alerts.find_late, now), partial(_pass_on_all, ctx, now), "late alert", aside)


def _pass_on_all(ctx: Context, now: datetime, rows: list[AlertRow]) -> None:
    states = channels.find_channels()
    for row in rows:
        alerts.plan_passing(row, None)
        known = states.get(row.channel)
        if known is None or known.failing_since is None:
            continue  # it is only slow: another message is under way to it
        _tell_of_trouble(ctx, row.channel, known.error, now)
        _pass_on(ctx, row, known.error, now)


def _pass_on(ctx: Context, row: AlertRow, why: str, now: datetime) -> None:
    """Have the next channel carry it too, where no other one does."""
    if not alerts.mark_passed_over(row):
        return
    base = row.key.removesuffix(row.channel)
    others = [one for one in alerts.find_by_key([f"{base}{plan.name}" for plan in ctx.channels]) if one.id != row.id]
    if any(one.state == AlertState.DELIVERED or (one.state in CARRIED and not one.passed_over) for one in others):
        return
    about_n8n = is_about_n8n(row.facts.get("component", ""), row.facts.get("site", ""))
    tried, troubled = {one.channel for one in others}, channels.find_troubled()
    name = alerting.next_channel(row.channel, tried, troubled, ctx.channels, about_n8n)
    if name and calling.pass_on(ctx, row, name, now):
        because = f"{row.channel} does not take it: {why}"
        events.add_event(now, "alert", row.key, f"passed on to {name}", because, row.incident_id or None)


def _tell_of_trouble(ctx: Context, name: str, error: str, now: datetime) -> None:
    """Once until it works again, and not by itself."""
    if not channels.begin_trouble(name, now):
        return
    troubled = channels.find_troubled()
    facts = trouble_facts(ctx, name, error)
    for plan in _others(ctx, name, troubled):
        key = f"{TROUBLE}.{name}.{to_micros(now)}.{plan.name}"
        alerts.add_alert(key, 0, TROUBLE, plan.name, Severity.HIGH, {**facts, "key": key}, now)
    events.add_event(now, "alert", name, "the channel fails", error)


def _others(ctx: Context, name: str, troubled: set[str]) -> list[ChannelPlan]:
    """Those that take a high severity and work; else whichever works."""
    working = [plan for plan in ctx.channels if plan.name != name and plan.name not in troubled]
    usual = [plan for plan in alerting.picked_for(Severity.HIGH, ctx.channels) if plan in working]
    return usual or working[:1]
