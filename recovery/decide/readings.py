"""What a look at a component means: counts in a row decide, and how often it turned, so that one look does nothing."""

from dataclasses import replace
from datetime import datetime

from recovery.decide.classify import classify_reading
from recovery.decide.firing import Alerts, weigh_alert
from recovery.decide.triage import ComponentFacts, Move, Verdict, View, incident_for
from recovery.model import (
    NO_LOOKS,
    Cause,
    CauseClass,
    Health,
    IncidentState,
    Policy,
    Reading,
    count_turns,
    note_look,
)


def triage_reading(reading: Reading, view: View, policy: Policy, now: datetime) -> Verdict:
    """A look at a component, or what a monitor says of it."""
    known = view.components.get(reading.component, ComponentFacts())
    observed = min(reading.observed_at or now, now)
    # What only its senders see is ordered by what they say, and dated by our clock: theirs may be a slow one.
    looked_at = policy.component(reading.component).check is not None
    before = known.seen_at if looked_at else known.told_at
    if reading.observed_at and before and observed < before <= now:  # one from the future is of a clock that was wrong
        return Verdict(Move.IGNORE, "an older reading than the last one")
    if reading.healthy is None:
        return Verdict(Move.IGNORE, f"says nothing of its health: {reading.because}")
    alerts, because = _weighed(reading, known, view, policy, now)
    if because:
        return Verdict(Move.IGNORE, because, alerts=alerts)
    # What leaves no doubt turns as it likes: that is bounded by how often an incident may come back.
    looks = NO_LOOKS if reading.certain else note_look(known.looks, not reading.healthy)
    told_at = observed if reading.observed_at else known.told_at
    in_order = known.told_at is not None and not looked_at
    noted = replace(known, looks=looks, seen_at=now if in_order else observed, told_at=told_at)
    good = reading.healthy
    verdict = _good(reading, noted, view, policy) if good else _bad(reading, noted, view, policy, now)
    return replace(verdict, alerts=alerts)


def _weighed(
    reading: Reading, known: ComponentFacts, view: View, policy: Policy, now: datetime
) -> tuple[Alerts | None, str]:
    if reading.alert is None:
        return None, ""
    found = view.incidents.get(classify_reading(reading, policy).fingerprint)
    is_open = found is not None and found.state is not IncidentState.RESOLVED and known.health is not Health.HEALTHY
    return weigh_alert(reading, view.alerts.get(reading.component, {}), is_open, now)


def flaps(known: ComponentFacts, threshold: int) -> bool:
    """Whether a component turns so often that no single look says how it is; `threshold` 0: never.

    It begins at `threshold` turns among the last 21 looks, and ends at half of them, so that it does not flap itself.
    """
    turns = count_turns(known.looks)
    return 0 < threshold <= (turns if known.health is not Health.FLAPPING else turns * 2 - 1)


def last_said(known: ComponentFacts) -> Health:
    """What its last look said, of one that flaps too: whoever has turned well is not acted upon for what was before."""
    if known.health is not Health.FLAPPING:
        return known.health
    return Health.UNHEALTHY if known.failures else Health.HEALTHY


def proven_healthy(known: ComponentFacts, cause_class: CauseClass, failed_at: datetime) -> bool | None:
    """What readings say of an incident's cause; None where they say nothing of it, and where a person muted them.

    Nothing of a cause that they cannot see (a credential), and no good word from before `failed_at`, its last failure.
    """
    if known.seen_at is None or known.muted or known.health is Health.UNKNOWN:
        return None
    is_healthy = known.health is Health.HEALTHY
    if cause_class is not CauseClass.UNAVAILABLE or (is_healthy and known.seen_at < failed_at):
        return None
    return is_healthy


def _bad(reading: Reading, known: ComponentFacts, view: View, policy: Policy, now: datetime) -> Verdict:
    plan = policy.component(reading.component)
    cause = classify_reading(reading, policy)
    flapping = flaps(known, plan.flap_threshold)
    failures = max(known.failures + 1, plan.failure_threshold if reading.certain else 0)
    failing = flapping or failures >= plan.failure_threshold
    health = Health.FLAPPING if flapping else Health.UNHEALTHY if failing else known.health
    facts = replace(known, health=health, failures=failures, successes=0)
    if known.muted:
        return Verdict(Move.COUNT, "resolved by a person: silent until it was healthy once", component=facts)
    open_one = view.incidents.get(cause.fingerprint)
    is_open = open_one is not None and open_one.state is not IncidentState.RESOLVED
    if not failing and not is_open:
        because = f"{failures} of {plan.failure_threshold} bad readings in a row"
        return Verdict(Move.COUNT, because, component=facts)
    cause = _of_flapping(cause, known) if flapping else cause
    observed = known.seen_at or now
    move, incident_id, because, too_often = incident_for(cause, observed, view, policy, now)
    if move is Move.LATE:
        move, because = Move.COUNT, "an older reading than the resolution"
    return Verdict(move, because, cause, incident_id, None, facts, too_often)


def _good(reading: Reading, known: ComponentFacts, view: View, policy: Policy) -> Verdict:
    plan = policy.component(reading.component)
    successes = max(known.successes + 1, plan.success_threshold if reading.certain else 0)
    flapping = known.health is Health.FLAPPING and flaps(known, plan.flap_threshold)
    enough = successes >= plan.success_threshold and not flapping
    health, muted = Health.HEALTHY if enough else known.health, known.muted and not enough
    facts = replace(known, health=health, failures=0, successes=successes, muted=muted)
    if flapping:
        because = f"{_turned(known)}; healthy only when it has kept still; now: {reading.because}"
        return Verdict(Move.COUNT, because, component=facts)
    found = view.incidents.get(classify_reading(reading, policy).fingerprint)
    if not enough or found is None or found.state is IncidentState.RESOLVED:
        return Verdict(Move.COUNT, f"healthy: {reading.because}", component=facts)
    because = f"{reading.component} is healthy: {reading.because}"
    # No cause: a sign of health is no failure, and must not count as the incident's last one.
    return Verdict(Move.SIGN, because, None, found.id, None, facts, signs=(found.id,))


def _of_flapping(cause: Cause, known: ComponentFacts) -> Cause:
    turned = _turned(known)
    return replace(cause, because=f"{turned}; {cause.because}", summary=f"{turned}; {cause.summary}")


def _turned(known: ComponentFacts) -> str:
    return f"flapping: changed {count_turns(known.looks)} times in the last {known.looks.bit_length() - 1} looks"
