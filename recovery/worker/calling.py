"""Tells people: one row in the outbox per channel that policy picks, and the call for a person where one is needed."""

from datetime import datetime, timedelta

from recovery.decide import alerting, escalating
from recovery.decide.incidents import is_about_n8n
from recovery.decide.telling import CALLS, NO_DIGEST, Way, plan_telling, wait_for_quiet
from recovery.model import AlertKind, IncidentState, Severity
from recovery.store import alerts, bundles, calls, events, incidents, threads
from recovery.store.tables import AlertRow, IncidentRow, ThreadRow
from recovery.worker.alert_facts import facts_of, subject_of
from recovery.worker.context import Context
from recovery.worker.hushing import Hush, why_hushed
from recovery.worker.outbox import add_to_digest, owe

RECOVERED = AlertKind.RECOVERED


def tell(
    ctx: Context, incident: IncidentRow, kind: AlertKind, because: str, now: datetime, link: str = "", mark: str = ""
) -> None:
    """Owe people a message about an incident, once per episode, kind and `mark` (and per call for needs_human).

    `link`: where they can act; by default where they see the incident.
    """
    if kind is RECOVERED:
        _tell_recovered(ctx, incident, because, now)
        return
    plan = plan_telling(kind, subject_of(ctx, incident), ctx.alerting, ctx.channels, now)
    ways, hush = list(plan.ways), why_hushed(ctx, incident, now)
    if kind is AlertKind.NEEDS_HUMAN:
        ways, mark = _call(ctx, incident, ways, because, link, hush, now), f".{incident.asked}"
    elif kind is AlertKind.WORSENED:
        ways = _worth_telling(ctx, incident, ways, now)
    if hush:
        events.add_event(now, "alert", incident.id, f"{kind}: nobody told", hush.because, incident.id)
        return
    owe_all(ctx, incident, kind, ways, f"{incident.id}.{incident.episode}.{kind}{mark}", because, now, link)
    outcome = ", ".join(way.channel for way in ways) or "nobody told: only the pages tell"
    events.add_event(now, "alert", incident.id, f"{kind}: {outcome}", plan.because, incident.id)


def _call(
    ctx: Context, incident: IncidentRow, ways: list[Way], because: str, link: str, hush: Hush | None, now: datetime
) -> list[Way]:
    """A person is called: by these ways and the first steps of the escalation; somebody is told again until one
    acknowledges."""
    incidents.set_incident(incident.id, asked=incident.asked + 1, told_at=now)
    incident.asked, incident.told_at = incident.asked + 1, now
    taken = escalating.begin_call(ctx.alerting)
    due = hush.until if hush else escalating.due_at(escalating.CallView(now, now, taken), ctx.alerting)
    calls.begin_call(incident.id, now, because, link, steps=taken, due_at=due)
    known = {way.channel for way in ways}
    steps = escalating.reached(ctx.alerting.escalation[:taken], ctx.alerting, ctx.channels, now)
    return [*ways, *(Way(name, now) for name in steps if name not in known)]


def _worth_telling(ctx: Context, incident: IncidentRow, ways: list[Way], now: datetime) -> list[Way]:
    """Who knows of it need not hear late that it has become worse: how it ends comes about as soon. And no phone rings
    again for that: it does when a person is needed."""
    told = {thread.channel for thread in threads.find_threads(incident.id, incident.episode) if thread.told_at}
    ringing = {plan.name for plan in ctx.channels if plan.kind in NO_DIGEST}
    return [way for way in ways if way.channel not in told or (way.channel not in ringing and way.at <= now)]


def owe_all(
    ctx: Context, incident: IncidentRow, kind: AlertKind, ways: list[Way], key: str, because: str, now: datetime,
    link: str = "", escalation: int = 0,
) -> None:  # fmt: skip
    """Owe each way its message; `key` is completed with the channel's name."""
    if not ways:
        return
    facts = facts_of(ctx, incident, kind, because, now, escalation=escalation)
    facts |= {"link": link} if link else {}
    for way in ways:
        owe(ctx, incident, kind, way, f"{key}.{way.channel}", facts, now)


def _tell_recovered(ctx: Context, incident: IncidentRow, because: str, now: datetime) -> None:
    """Whoever was told of it is told that it is over; who was to be told, and was not yet, reads it in a digest."""
    calls.rest(incident.id)
    told = []
    call = f".{incident.asked}" if incident.asked else ""  # who was called again hears of the end again
    facts = None
    for thread in threads.find_threads(incident.id, incident.episode):
        held = alerts.find_held(thread.id)
        for row in held:
            alerts.fold_alert(row, "healed before it was told", now)
        if thread.told_at is None:
            _recovered_unheard(ctx, incident, thread, bool(held), now)
            continue
        facts = facts or facts_of(ctx, incident, RECOVERED, because, now)
        at = now if thread.called else _quiet(ctx, thread.channel, RECOVERED, incident, now)
        key = f"{incident.id}.{incident.episode}.{RECOVERED}{call}.{thread.channel}"
        owe(ctx, incident, RECOVERED, Way(thread.channel, at), key, facts, now)
        told.append(thread.channel)
    outcome = ", ".join(told) or "nobody told: nobody was told of it before"
    because = "who was told of it" if told else "nobody needed to know"
    events.add_event(now, "alert", incident.id, f"{RECOVERED}: {outcome}", because, incident.id)


def _recovered_unheard(ctx: Context, incident: IncidentRow, thread: ThreadRow, was_held: bool, now: datetime) -> None:
    """No message of its own was sent: a storm counts it by itself; a digest has a line for it."""
    plan = ctx.channel(thread.channel)
    bundle = bundles.find_bundle(thread.bundle_id)
    counts_itself = bundle is not None and bundle.kind == AlertKind.STORM and bundle.open_key is not None
    if plan is None or plan.kind in NO_DIGEST or counts_itself or not (was_held or bundle):
        return
    what = "healed_quietly" if was_held else str(RECOVERED)
    due = _quiet(ctx, thread.channel, RECOVERED, incident, now + timedelta(seconds=ctx.alerting.digest_seconds))
    add_to_digest(ctx, incident, thread, what, due, now)


def _quiet(ctx: Context, channel: str, kind: AlertKind, incident: IncidentRow, at: datetime) -> datetime:
    return wait_for_quiet(channel, kind, Severity(incident.severity), ctx.alerting, at)


def tell_anew(ctx: Context, alert: AlertRow, now: datetime) -> str:
    """Owe a message, whose channel is configured no more, over those that are; their names."""
    about_n8n = is_about_n8n(alert.facts.get("component", ""), alert.facts.get("site", ""))
    severity = Severity(alert.severity)
    if alert.kind in CALLS:
        picked = alerting.callable_channels(severity, ctx.channels)
    else:
        picked = alerting.picked_for(severity, ctx.channels)
    names = [plan.name for plan in alerting.with_ways_around(picked, about_n8n, ctx.channels)[0]]
    for name in names:
        pass_on(ctx, alert, name, now)
    return ", ".join(names)


def pass_on(ctx: Context, alert: AlertRow, name: str, now: datetime) -> bool:
    """Owe a message over another channel too; False where that has it already."""
    key = f"{alert.key.removesuffix(alert.channel)}{name}"
    if alerts.find_by_key([key]):
        return False
    incident = incidents.find_incidents([alert.incident_id]).get(alert.incident_id)
    if incident is None:
        return alerts.add_alert(key, 0, alert.kind, name, alert.severity, {**alert.facts, "key": key}, now)
    owe(ctx, incident, AlertKind(alert.kind), Way(name, now), key, alert.facts, now)
    return True


def call_person(
    ctx: Context, incident: IncidentRow, because: str, now: datetime, quiet: bool = False, link: str = ""
) -> None:
    """The incident needs a person; `quiet`: one was called already, and nothing new is known."""
    incidents.move_incident(incident, IncidentState.NEEDS_HUMAN, because, now)
    if not quiet:
        tell(ctx, incident, AlertKind.NEEDS_HUMAN, because, now, link)
