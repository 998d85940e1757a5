"""What a signal means: which incident it opens or joins, and what becomes of its chain or its component."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from recovery.decide.classify import classify, fingerprint
from recovery.decide.firing import Alerts
from recovery.decide.replay import why_nobodys
from recovery.model import (
    NO_LOOKS,
    Cause,
    CauseClass,
    ExecutionState,
    Failure,
    Health,
    IncidentState,
    Outlook,
    Policy,
    Success,
)


class Move(StrEnum):
    """What a signal does to incidents."""

    IGNORE = "ignore"
    COUNT = "count"  # a reading below its threshold, or of a healthy component
    OPEN = "open"
    JOIN = "join"
    REOPEN = "reopen"  # it came back soon after resolving: a recurrence
    LATE = "late"  # it failed before the incident was resolved, and is heard of only now
    SIGN = "sign"  # a sign of health


class Meant(NamedTuple):
    """Which incident a failure joins or reopens (None: it opens one), and why; `flapping`: it came back too often."""

    move: Move
    incident_id: int | None
    because: str
    flapping: bool = False


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """The newest incident of a fingerprint.

    Fields:
        down: it says that the component does not answer.
        told: a person was called in this episode.
        was_held: it was resolved before anything was done about it, and nobody heard of it.
    """

    id: int
    state: IncidentState
    resolved_at: datetime | None = None
    recurred_at: tuple[datetime, ...] = ()
    down: bool = True
    told: bool = False
    was_held: bool = False


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """A chain that is known already; `mode` is how the first of it that was heard of began.

    `replayed`: a person's replay runs it again, and no incident does.
    """

    id: int
    incident_id: int | None
    leaf_id: str
    state: ExecutionState
    mode: str = ""
    workflow_id: str = ""
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class ComponentFacts:
    """What is known of a component; the counts are of readings in a row, `looks` the last ones (`model.turns`).

    `seen_at` is when it was last seen; `told_at` when its newest word was, by its sender's own clock.
    """

    health: Health = Health.UNKNOWN
    failures: int = 0
    successes: int = 0
    muted: bool = False
    seen_at: datetime | None = None
    looks: int = NO_LOOKS
    told_at: datetime | None = None


@dataclass(slots=True)
class View:
    """What triage needs to know. The store fills it, and keeps it true while a batch is triaged.

    Fields:
        incidents: by fingerprint; chains: by id; components: by name.
        members: (site, execution id) -> chain id; None for one that failed before first contact.
        workflows: (site, workflow id) -> incidents that are not resolved and hold chains of it.
        contacts: site -> first contact with it.
        alerts: component -> what monitors told of its alerts.
    """

    incidents: dict[str, IncidentFacts] = field(default_factory=dict)
    chains: dict[int, ChainFacts] = field(default_factory=dict)
    members: dict[tuple[str, str], int | None] = field(default_factory=dict)
    components: dict[str, ComponentFacts] = field(default_factory=dict)
    workflows: Mapping[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    contacts: Mapping[str, datetime] = field(default_factory=dict)
    alerts: dict[str, Alerts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChainMove:
    """What becomes of a chain. `chain_id` None: it is new, with that root."""

    chain_id: int | None
    root_id: str
    leaf_id: str
    state: ExecutionState
    because: str
    setback: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a signal means.

    Fields:
        incident_id: the incident that is meant; None for a new one, or for none.
        flapping: it came back too often; a person is called instead of another recovery.
        signs: incidents for which this is a sign of health.
        member_of: the known chain that the execution belongs to, where nothing else becomes of it.
        alerts: the component's alerts after this word; None where it speaks of none.
    """

    move: Move
    because: str
    cause: Cause | None = None
    incident_id: int | None = None
    chain: ChainMove | None = None
    component: ComponentFacts | None = None
    flapping: bool = False
    signs: tuple[int, ...] = ()
    member_of: int | None = None
    alerts: Alerts | None = None


def triage_failure(
    failure: Failure, site: str, view: View, policy: Policy, now: datetime, called_back: bool = False
) -> Verdict:
    """A failed execution or trigger. `called_back`: n8n's error workflow told of it, so it has just happened."""
    if nobodys := why_nobodys(failure):
        return Verdict(Move.IGNORE, nobodys)
    chain, root_id = _chain_of(failure, site, view)
    told = _of_known(chain, root_id, failure, site, policy) if chain else None
    if told:
        return told
    if (
        chain is None
        and (site, failure.execution_id) in view.members
        and not (called_back and _is_live(failure, site, view))
    ):
        return Verdict(Move.IGNORE, "it failed before n8n-medic first met this n8n")
    if chain is None and failure.retry_of and (site, failure.retry_of) in view.members:
        because = "somebody retried a run that is left alone: a manual one, or one from before first contact"
        return Verdict(Move.IGNORE, because)
    cause = classify(failure, site, policy)
    failed_at = min(failure.failed_at or now, now)
    meant = _consequence(cause, view, policy) or incident_for(cause, failed_at, view, policy, now)
    move, incident_id, because, flapping = meant
    if chain and chain.state is ExecutionState.RETRYING and move is not Move.JOIN and chain.incident_id == incident_id:
        because = "a person resolved its incident while this retry of it ran"
        left = ChainMove(chain.id, root_id, failure.execution_id, ExecutionState.LEFT_ALONE, because)
        return Verdict(Move.IGNORE, because, None, incident_id, left)
    moved = _chain_move(chain, root_id, failure, cause, incident_id)
    return Verdict(move, because, cause, incident_id, moved, flapping=flapping)


def _chain_of(failure: Failure, site: str, view: View) -> tuple[ChainFacts | None, str]:
    """The chain that a failure belongs to, where it is known, and the id of its root."""
    for known in (failure.execution_id, failure.retry_of):
        chain_id = view.members.get((site, known)) if known else None
        if chain_id is not None and chain_id in view.chains:
            return view.chains[chain_id], known
    return None, failure.retry_of or failure.execution_id


def _of_known(chain: ChainFacts, root_id: str, failure: Failure, site: str, policy: Policy) -> Verdict | None:
    """What a failure means for which nothing is opened or joined, whatever its cause; None where it may be."""
    if chain.state is ExecutionState.RECOVERED:
        because = "its chain has recovered already"
        return Verdict(Move.IGNORE, because, incident_id=chain.incident_id, member_of=chain.id)
    if failure.execution_id != chain.leaf_id and not is_newer(failure.execution_id, chain.leaf_id):
        because = "a later retry of it is known already"
        return Verdict(Move.IGNORE, because, incident_id=chain.incident_id, member_of=chain.id)
    return _of_replay(chain, root_id, failure, classify(failure, site, policy)) if chain.replayed else None


def _of_replay(chain: ChainFacts, root_id: str, failure: Failure, cause: Cause) -> Verdict:
    """Whoever ordered the replay reads of it there: it opens no incident, and calls nobody."""
    if failure.execution_id == chain.leaf_id:
        return Verdict(Move.IGNORE, "a replay is to run it again", member_of=chain.id)
    because, state = f"its retry {failure.execution_id} failed again: {cause.because}", chain.state
    if state is ExecutionState.RETRYING:
        lost = cause.cause_class is CauseClass.CRASHED  # that tells of n8n, and not of whether the outage is over
        state = ExecutionState.LEFT_ALONE if lost else ExecutionState.FAILED
    elif state is ExecutionState.WAITING:
        because = f"somebody's retry {failure.execution_id} failed too: {cause.because}"
    return Verdict(Move.IGNORE, because, chain=ChainMove(chain.id, root_id, failure.execution_id, state, because))


def _is_live(failure: Failure, site: str, view: View) -> bool:
    """It failed while first contact was made: n8n listed it as old, and then told of it."""
    contact = view.contacts.get(site)
    return bool(contact and failure.failed_at and failure.failed_at > contact - timedelta(minutes=1))


def is_newer(one: str, other: str) -> bool:
    """n8n counts its executions up."""
    both = one + other
    return int(one) > int(other) if both.isascii() and one.isdigit() and other.isdigit() else one != other


def _chain_move(
    chain: ChainFacts | None, root_id: str, failure: Failure, cause: Cause, incident_id: int | None
) -> ChainMove | None:
    if not failure.execution_id:
        return None
    if "integrated" in (failure.mode, chain.mode if chain else ""):
        state, because = (
            ExecutionState.LEFT_ALONE,
            "a sub-workflow's own run: the workflow that called it is retried",
        )
    elif cause.outlook is Outlook.PERMANENT:
        state, because = ExecutionState.WAITING, f"waits until the cause is mended: {cause.because}"
    else:
        state, because = ExecutionState.WAITING, f"waits for its recovery: {cause.because}"
    if chain is None:
        return ChainMove(None, root_id, failure.execution_id, state, because)
    setback = chain.state is ExecutionState.RETRYING and chain.incident_id == incident_id
    if chain.incident_id != incident_id:
        because = f"its retry {failure.execution_id} failed for another cause: {cause.because}"
    elif setback:
        because = f"its retry {failure.execution_id} failed again: {cause.because}"
    return ChainMove(chain.id, root_id, failure.execution_id, state, because, setback)


def incident_for(cause: Cause, failed_at: datetime, view: View, policy: Policy, now: datetime) -> Meant:
    """Which incident a failure means."""
    known = view.incidents.get(cause.fingerprint)
    if known is None:
        return Meant(Move.OPEN, None, f"first failure of this cause: {cause.because}")
    if known.state is not IncidentState.RESOLVED or known.resolved_at is None:
        return Meant(Move.JOIN, known.id, f"the same cause as incident {known.id}: {cause.because}")
    if failed_at < known.resolved_at:
        because = f"it failed before incident {known.id} was resolved, and was heard of late"
        return Meant(Move.LATE, known.id, because)
    if now - known.resolved_at <= timedelta(seconds=policy.recurrence_seconds):
        recent = [at for at in known.recurred_at if now - at < timedelta(hours=1)]
        flapping = len(recent) + (not known.was_held) > policy.recurrences_per_hour
        because = f"incident {known.id} came back within {round(policy.recurrence_seconds / 60, 1):g} minutes"
        return Meant(Move.REOPEN, known.id, because, flapping)
    return Meant(Move.OPEN, None, f"the cause of incident {known.id} is back: {cause.because}")


def _consequence(cause: Cause, view: View, policy: Policy) -> Meant | None:
    """The incident of what a failure's component needs and is down; None where it is an incident of its own.

    One of which a person was told takes no more: what fails so much later must be told of by itself.
    """
    own = view.incidents.get(cause.fingerprint)
    if cause.cause_class is not CauseClass.UNAVAILABLE or (own and own.state is not IncidentState.RESOLVED):
        return None
    for name in policy.upstream(cause.component):
        found = view.incidents.get(fingerprint("", name, CauseClass.UNAVAILABLE))
        if found and found.state is not IncidentState.RESOLVED and found.down and not found.told:
            because = f"a consequence of incident {found.id}: {cause.component} needs {name}, which is down"
            return Meant(Move.JOIN, found.id, because)
    return None


def triage_success(success: Success, site: str, view: View) -> Verdict:
    """A succeeded execution: the recovery of a chain that somebody retried, or a sign that its workflow works."""
    chain_id = view.members.get((site, success.retry_of)) if success.retry_of else None
    chain = view.chains.get(chain_id) if chain_id is not None else None
    signs = tuple(view.workflows.get((site, success.workflow_id), ()))
    strange = chain is not None and chain.workflow_id not in ("", success.workflow_id)
    if chain is None or strange or chain.state is ExecutionState.RECOVERED:
        move = Move.SIGN if signs else Move.IGNORE
        return Verdict(move, f"execution {success.execution_id} of its workflow succeeded", signs=signs)
    because = f"its retry {success.execution_id} succeeded"
    moved = ChainMove(chain.id, success.retry_of, success.execution_id, ExecutionState.RECOVERED, because)
    return Verdict(Move.SIGN, because, None, chain.incident_id, moved, signs=signs)
