"""The next move of an incident: begin a recovery, call a person, settle, resolve."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from recovery.decide.classify import n8n_name
from recovery.decide.playbooks import mended, playbook_of
from recovery.decide.replay import waits_for_cause
from recovery.decide.tagging import IGNORED
from recovery.decide.wording import count_of
from recovery.model import CauseClass, FailureType, IncidentState, Outlook, Playbook, Policy, Severity

PARENTS_WITHIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident as it is looked at.

    Fields:
        healing: a recovery of it is running, waiting or paused.
        waiting, retrying, recovered, left_alone, asking: its chains, counted; asking ones are left alone too.
        at_rest: that recovery is paused, or awaits a person.
        paused: a person paused it: nothing begins by itself.
        parents_due: only sub-workflows' own runs failed so far; those that called them will be heard of.
        tried: a recovery was begun in this episode, or a person ended it.
        known_healthy: what the component's readings say; None without any, and for a cause that they cannot see: an
            answering API proves no credential.
        unstable: it flaps: what looks healed may not be, and what fails again may be well in a moment.
        begun_lately: how many recoveries of it began within the last hour.
        tried_at: when its last recovery ended, or began where it has not ended.
        told: a person was called in this episode.
        sign_at: when the last sign of health was seen; failed_at: when the last failure happened; last_signal_at: when
            it was heard of.
        flapping: it came back too often.
        held: nothing was done about it until now: maintenance, or what it needs was down, or this machine offline.
        ignored: all its executions are of workflows that are tagged to be left alone.
    """

    id: int
    state: IncidentState
    component: str
    site: str
    cause_class: CauseClass
    outlook: Outlook
    because: str
    opened_at: datetime
    last_signal_at: datetime
    failed_at: datetime
    escalate_at: datetime | None = None
    settle_at: datetime | None = None
    sign_at: datetime | None = None
    told: bool = False
    healing: bool = False
    at_rest: bool = False
    paused: bool = False
    waiting: int = 0
    retrying: int = 0
    recovered: int = 0
    left_alone: int = 0
    asking: int = 0
    known_healthy: bool | None = None
    unstable: bool = False
    flapping: bool = False
    parents_due: bool = False
    tried: bool = False
    tried_at: datetime | None = None
    begun_lately: int = 0
    held: bool = False
    ignored: bool = False
    failure_type: FailureType = FailureType.SERVER_UNRESPONSIVE
    severity: Severity = Severity.HIGH


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a recovery with this playbook."""

    playbook: Playbook
    because: str


@dataclass(frozen=True, slots=True)
class CallPerson:
    """A person is needed."""

    because: str


@dataclass(frozen=True, slots=True)
class Settle:
    """Everything looks well: resolve at `at` if nothing more comes."""

    at: datetime
    because: str


@dataclass(frozen=True, slots=True)
class Resolve:
    """It is over; `healed`: because it is well, and not because nobody is to heal it."""

    because: str
    healed: bool = True


@dataclass(frozen=True, slots=True)
class Unsettle:
    """It was about to be resolved, and is not well after all."""

    because: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing to do before `until`, or before something happens."""

    until: datetime | None = None


Move = Begin | CallPerson | Settle | Unsettle | Resolve | Leave


def look(view: IncidentView, policy: Policy, now: datetime) -> Move:
    """The one next move of an incident that is not resolved."""
    if view.ignored and not (view.waiting or view.retrying or view.asking or view.known_healthy is False):
        return Resolve(IGNORED, healed=False)
    if is_overdue(view, now):
        minutes = round(policy.escalate_after_seconds / 60, 1)
        return CallPerson(f"not resolved within {minutes:g} minutes; what is under way goes on")
    unwell = why_not_resolved(view)
    if view.state is IncidentState.OPEN and (unwell or not view.held):
        return begin(view, policy, now)
    if unwell:
        return _unresolved(view, policy, unwell, now)
    settle = timedelta(seconds=policy.recurrence_seconds if view.flapping else policy.settle_seconds)
    if view.settle_at is None or view.settle_at < view.last_signal_at + settle:
        return Settle(now + settle, _why_resolved(view))
    return Resolve(_why_resolved(view)) if now >= view.settle_at else Leave(_next_look(view))


def is_overdue(view: IncidentView, now: datetime) -> bool:
    """Whether a person must be called by now, whatever is under way."""
    return bool(view.escalate_at and now >= view.escalate_at and not view.told)


def begin(view: IncidentView, policy: Policy, now: datetime, unwell: str = "") -> Begin | CallPerson | Leave:
    """How a new (or recurring) incident is met; `unwell`: why one is met again whose recovery was believed to help."""
    if view.flapping:
        return CallPerson(f"it came back more than {policy.recurrences_per_hour} times within an hour")
    if view.outlook is Outlook.PERMANENT:
        return CallPerson(f"a retry cannot help: {view.because}")
    playbook = playbook_for(view, policy)
    helpless = _why_helpless(view, playbook, policy)
    parents_by = view.opened_at + PARENTS_WITHIN
    if helpless and view.parents_due and now < parents_by:
        return Leave(parents_by)
    because = unwell or ("it is no longer held" if view.held else view.because)
    return CallPerson(helpless) if helpless else Begin(playbook, f"healing begins: {because}")


def playbook_for(view: IncidentView, policy: Policy) -> Playbook:
    """The playbook that heals it."""
    return playbook_of(view.component, view.failure_type, view.severity, policy)


def _why_helpless(view: IncidentView, playbook: Playbook, policy: Policy) -> str:
    """Why nothing can be done without a person; "" where something can."""
    if view.waiting and policy.sites:
        return ""
    told_of = playbook.trust_probes and view.known_healthy is False
    if playbook.acts and (playbook.check or told_of):
        return ""
    if view.waiting:
        return "no n8n is connected, so its executions cannot be retried"
    if playbook.acts and playbook.trust_probes:
        return "it has no check that could confirm the failure, and no pushed probe says that it fails"
    if playbook.acts:
        return "it has no check that could confirm the failure, and trust_probes is off"
    return "no action is known for it" if not view.left_alone else "none of its executions may be retried"


def why_not_resolved(view: IncidentView) -> str:
    """What still stands against resolving; "" where nothing does."""
    reasons = (
        (view.waiting, f"waiting for a replay: {count_of(view.waiting)}"),
        (view.retrying, f"being retried: {count_of(view.retrying)}"),
        (view.asking, f"a person's decision is needed for {count_of(view.asking)}"),
        (view.known_healthy is False, f"{view.component} {'is flapping' if view.unstable else 'is not healthy'}"),
        (view.healing and not view.at_rest, "a recovery is under way"),
        (not _has_proof(view), "there is no sign of health yet"),
    )
    return next((words for stands, words in reasons if stands), "")


def _has_proof(view: IncidentView) -> bool:
    seen = view.sign_at is not None and view.sign_at > view.failed_at
    return bool(view.recovered) or view.known_healthy is True or seen


def _why_resolved(view: IncidentView) -> str:
    told = []
    if view.recovered:
        told.append(f"{count_of(view.recovered)} recovered")
    if view.left_alone:
        told.append(f"{view.left_alone} were left alone")
    if view.known_healthy:
        told.append(f"{view.component} is healthy")
    return ", ".join(told) or "its workflows succeed again"


def _unresolved(view: IncidentView, policy: Policy, unwell: str, now: datetime) -> Move:
    if view.settle_at is not None:
        return Unsettle(unwell)
    fails = view.known_healthy is False and not view.unstable  # once is enough, until it keeps still or a person comes
    if view.state is IncidentState.RECOVERING and not view.healing and (view.waiting or fails):
        if view.begun_lately > policy.recurrences_per_hour:
            return CallPerson(f"it was healed {view.begun_lately} times within an hour, and fails again")
        return begin(view, policy, now, unwell)
    if view.state is IncidentState.NEEDS_HUMAN and (view.waiting or fails) and _can_now(view, policy):
        return Begin(playbook_for(view, policy), f"now something can be done: {unwell}")
    if view.state is IncidentState.NEEDS_HUMAN and _may_try_again(view, policy):
        return Begin(mended(playbook_for(view, policy)), "a sign of health: one execution tries it")
    return Leave(_next_look(view))


def _can_now(view: IncidentView, policy: Policy) -> bool:
    """A person was called before anything was done: nothing could be, or it was held. Now something can be healed."""
    if view.paused or view.tried or view.flapping or view.outlook is Outlook.PERMANENT:
        return False
    return not _why_helpless(view, playbook_for(view, policy), policy)


def _may_try_again(view: IncidentView, policy: Policy) -> bool:
    """needs_human is not the end: a sign of health since the last failure lets one execution try, once for each."""
    if view.paused or not policy.replay.on_recovery or not view.waiting or (view.healing and not view.at_rest):
        return False
    if view.outlook is Outlook.PERMANENT and not waits_for_cause(view.cause_class):
        return False
    if view.sign_at is None or (view.tried_at and view.sign_at <= view.tried_at):
        return False
    return view.sign_at > view.failed_at


def _next_look(view: IncidentView) -> datetime | None:
    times = [view.settle_at, None if view.told else view.escalate_at]
    return min((time for time in times if time), default=None)


def is_about_n8n(component: str, site: str) -> bool:
    """Whether the component is an n8n itself, whose alerts must not go only through it."""
    return component == n8n_name(site)
