"""Tells who would be told of a component or an incident, when, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from recovery.config import Config
from recovery.decide import escalating, storming
from recovery.decide.alerting import callable_channels, picked_for
from recovery.decide.incidents import is_about_n8n
from recovery.decide.telling import Subject, Telling, plan_telling
from recovery.model import AlertKind, AlertPolicy, Budget, FailureType, Severity
from recovery.model.durations import write_duration
from recovery.store import incidents, views
from recovery.store.tables import IncidentRow

MOST_TOLD = 20


def notes_on_calls(config: Config) -> Iterator[str]:
    """Who is called where no channel says that it takes it, and where somebody said that nobody is."""
    channels, policy = config.channel_plans(), config.alert_policy()
    for severity in Severity:
        if channels and not any(plan.severities is None for plan in channels) and not picked_for(severity, channels):
            names = ", ".join(plan.name for plan in callable_channels(severity, channels))
            yield f"No channel takes severity {severity}: of it only what needs a person is told, over {names}."
    at_once = escalating.begin_call(policy)
    for route in policy.routes:
        if route.channels == () and not at_once:
            then = "until a step of the escalation is due" if policy.escalation else "it is seen on the pages only"
            yield f"The route {route.name!r} has no channels: where a person is needed nobody is called, {then}."


@dataclass(frozen=True, slots=True)
class Asked:
    """What is explained."""

    subject: Subject
    incident: IncidentRow | None = None


def asked_for(config: Config, what: str, failure_type: str, severity: str | None) -> Asked:
    """What a word on the command line means: an incident's number, or a component's name.

    Raises:
        KeyError: there is no such incident, or no such component in the configuration.
    """
    found: IncidentRow | None = None
    if what.isdigit():
        found = incidents.find_incidents([int(what)]).get(int(what))
        if found is None:
            raise KeyError(f"there is no incident {what}")
        name, failure_type, usual, site = found.component, found.failure_type, found.severity, found.site
    else:
        name, usual, site = what, str(config.component(what).severity), ""
    labels = config.policy().component(name).labels
    chosen = Severity(severity or usual)
    return Asked(Subject(name, FailureType(failure_type), chosen, labels, is_about_n8n(name, site)), found)


def explain_telling(config: Config, asked: Asked, at: datetime) -> Iterator[str]:
    """The lines that tell it."""
    policy, channels, subject = config.alert_policy(), config.channel_plans(), asked.subject
    zone = ZoneInfo(policy.timezone)
    yield (
        f"{subject.component}, {subject.failure_type}, {subject.severity}, "
        f"at {at.astimezone(zone):%Y-%m-%d %H:%M} ({policy.timezone}):"
    )
    kinds = {AlertKind.OPENED: "when it fails", AlertKind.NEEDS_HUMAN: "when it needs a person"}
    for kind, words in kinds.items():
        plan = plan_telling(kind, subject, policy, channels, at)
        yield f"  {words}: {plan.because}"
        yield from _ways(plan, at, zone)
    yield from _next(policy, channels, at)
    yield "  when it is over: whoever was told of it; who was to be told and was not yet reads it in a digest"
    yield from _limits(policy, channels)
    if asked.incident:
        yield from _told(asked.incident, zone)


def _ways(plan: Telling, at: datetime, zone: ZoneInfo) -> Iterator[str]:
    for way in plan.ways:
        when = "at once" if way.at <= at else f"at {way.at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        yield f"    {way.channel}: {when}{', as a line of a digest' if way.digest else ''}"
    if not plan.ways:
        yield "    nobody; it is seen on the pages"


def _next(policy: AlertPolicy, channels: Any, at: datetime) -> Iterator[str]:
    for number, step in enumerate(policy.escalation, 1):
        then = at + timedelta(seconds=step.after_seconds)
        names = ", ".join(escalating.reached([step], policy, channels, then)) or "nobody"
        on_call = f" (on call in {step.rotation})" if step.rotation else ""
        yield f"  unanswered after {write_duration(step.after_seconds)}, step {number}: {names}{on_call}"
    yield f"  unanswered after {write_duration(policy.remind_seconds)}, then twice as long each time: a reminder"


def _limits(policy: AlertPolicy, channels: Any) -> Iterator[str]:
    for plan in channels:
        budget, rule = storming.budget_of(plan), storming.rule_for(plan.kind, policy.storm)
        most = f"at most {_said(budget, storming.pause_of(plan.kind))}" if budget else "no budget"
        within = write_duration(rule.within_seconds)
        yield f"  {plan.name}: {most}; more than {rule.most} new in {within} are one message"


def _said(budget: Budget, pause: timedelta) -> str:
    calls = f"then one with calls for a person each {write_duration(pause.total_seconds())}"
    return f"{budget.most} messages in {write_duration(budget.within_seconds)}, {calls}"


def _told(incident: IncidentRow, zone: ZoneInfo) -> Iterator[str]:
    yield f"  incident {incident.id} is {incident.state}; what was told of it, newest first:"
    for row in views.find_alerts(incident.id, MOST_TOLD):
        until = f" until {row.held_until.astimezone(zone):%H:%M:%S}" if row.held_until else ""
        because = f": {row.because}" if row.because else ""
        at = f"{row.created_at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        yield f"    {at} {row.kind} {row.channel}: {row.state}{until}{because}"
