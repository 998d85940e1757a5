"""Looks at incidents that are due: begins a recovery, calls a person, settles, resolves."""

from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from recovery.decide import incidents as decide
from recovery.decide.holding import Hold, unseen_of
from recovery.decide.planner import AT_REST
from recovery.decide.readings import proven_healthy
from recovery.model import (
    AlertKind,
    CauseClass,
    FailureType,
    Health,
    IncidentState,
    Outlook,
    Playbook,
    RecoveryState,
    Severity,
)
from recovery.redact import redact
from recovery.store import components, database, events, executions, incidents, recoveries, returns
from recovery.store.tables import ComponentRow, IncidentRow, RecoveryRow
from recovery.worker import calling
from recovery.worker.context import Context
from recovery.worker.facts import component_facts
from recovery.worker.guarding import ASIDE, work_on_all
from recovery.worker.holding import LOOK_AGAIN, hold_of
from recovery.worker.learning import as_taken, order_learned
from recovery.worker.tagging import heed_tags

NEEDED_AGAIN, SEEN_WITHIN = timedelta(seconds=30), timedelta(seconds=60)
SEE_AGAIN = timedelta(seconds=0.5)


def look_at_incidents(ctx: Context, now: datetime) -> None:
    """Look at every incident that is due."""

    def aside(row: IncidentRow, why: str) -> None:
        incidents.set_aside(row.id, now + ASIDE)

    with database.decide():
        work_on_all(partial(incidents.find_due_incidents, now), partial(_look_at_all, ctx, now), "incident", aside)


def _look_at_all(ctx: Context, now: datetime, rows: list[IncidentRow]) -> None:
    known = Known.of(rows, heed_tags(ctx, rows, now))
    for row in rows:
        look_at(ctx, row, known, now)


class Known(NamedTuple):
    """What the moves of many incidents depend on, read at once: by incident, and of their components by name."""

    recoveries: dict[int, RecoveryRow]
    chains: dict[int, dict[str, int]]
    components: dict[str, ComponentRow]
    only_subworkflows: set[int]
    ignored: set[int]

    @classmethod
    def of(cls, rows: list[IncidentRow], ignored: set[int]) -> "Known":
        """What is known of these."""
        return cls(
            recoveries.find_all_active([row.id for row in rows if row.state != IncidentState.OPEN]),
            executions.count_all_chains([row.id for row in rows]),
            components.find_components([row.component for row in rows]),
            executions.find_only_subworkflows([row.id for row in rows if row.state == IncidentState.OPEN]),
            ignored,
        )


def look_at(ctx: Context, row: IncidentRow, known: Known, now: datetime) -> None:
    """Decide about one incident, and carry it out."""
    recovery = known.recoveries.get(row.id)
    _count_from_now(ctx, row, now)
    view = view_of(row, known, now)
    move = decide.look(view, ctx.policy, now)
    acts, overdue = isinstance(move, decide.Begin | decide.CallPerson), decide.is_overdue(view, now)
    hold = hold_of(ctx, row.component, now) if acts else None
    if hold and not (hold.bounded and overdue):
        _hold(ctx, row, hold, now)
    elif acts and not overdue and _waits_for_what_it_needs(ctx, row, now):
        incidents.set_incident(row.id, wake_at=now + SEE_AGAIN)
    elif isinstance(move, decide.Begin):
        begin_recovery(ctx, row, recovery, move.playbook, move.because, now)
    elif isinstance(move, decide.CallPerson):
        calling.call_person(ctx, row, f"{hold.because}; {move.because}" if hold else move.because, now)
    elif isinstance(move, decide.Settle):
        incidents.set_incident(row.id, settle_at=move.at, wake_at=move.at)
    elif isinstance(move, decide.Unsettle):
        incidents.set_incident(row.id, settle_at=None, wake_at=now)
    elif isinstance(move, decide.Resolve):
        if recovery and not move.healed:
            recoveries.end_recovery(recovery, RecoveryState.CANCELLED, move.because, now)
        resolve(ctx, row, recovery if move.healed else None, move.because, now)
    else:
        incidents.set_incident(row.id, wake_at=move.until)


def _count_from_now(ctx: Context, row: IncidentRow, now: datetime) -> None:
    """What held it until later is over already: its time counts from now."""
    latest = now + timedelta(seconds=ctx.policy.escalate_after_seconds)
    if row.held and row.escalate_at and row.escalate_at > latest and not hold_of(ctx, row.component, now):
        row.escalate_at = latest
        incidents.set_incident(row.id, escalate_at=latest)


def _waits_for_what_it_needs(ctx: Context, row: IncidentRow, now: datetime) -> bool:
    """Whether what it needs is to be looked at first, which is hurried then."""
    if row.state != IncidentState.OPEN or not (upstream := ctx.policy.upstream(row.component)):
        return False
    known = {name: component_facts(one) for name, one in components.find_components(upstream).items() if one.configured}
    unseen = unseen_of(row.component, ctx.policy, known, row.episode_at, now)
    components.hurry_components(unseen.hurry, now)
    return bool(unseen.names)


def _hold(ctx: Context, row: IncidentRow, hold: Hold, now: datetime) -> None:
    """Nothing is done as long as it is held, and nobody is called: its time counts anew then, unless it is bounded."""
    again = hold.until or now + (NEEDED_AGAIN if hold.bounded else LOOK_AGAIN)
    changes: dict[str, Any] = {"because": hold.because, "held": True, "wake_at": again}
    if not hold.bounded:
        changes["escalate_at"] = again + timedelta(seconds=ctx.policy.escalate_after_seconds)
    elif row.escalate_at and not (row.told_at or row.acknowledged_at):
        changes["wake_at"] = min(again, row.escalate_at)
    if row.because != hold.because:
        events.add_event(now, "incident", row.id, f"{row.state}, held", hold.because, row.id, row.state)
    incidents.set_incident(row.id, **changes)


def _let_go_of_dependents(ctx: Context, component: str, now: datetime) -> None:
    """What needs it may be well again with it: that is seen first, and what says nothing of itself still fails."""
    names = [name for name in ctx.policy.components if component in ctx.policy.upstream(name)]
    components.hurry_components(names, now)
    incidents.put_off_held(names, now + SEEN_WITHIN)
    if names:
        recoveries.wake_held(now)  # one may be held until the end of the maintenance in which that was down


def resolve(
    ctx: Context, row: IncidentRow, recovery: RecoveryRow | None, because: str, now: datetime, who: str = "medic"
) -> None:
    """End the incident and what still heals it, and say so to those who heard of it."""
    if recovery:
        recoveries.end_recovery(recovery, RecoveryState.SUCCEEDED, because, now, who)
    returns.plan_returns(row.id, now)
    was_told = row.state != IncidentState.OPEN
    incidents.resolve_incident(row, because, now, who)
    if row.cause_class == CauseClass.UNAVAILABLE:
        _let_go_of_dependents(ctx, row.component, now)
    if was_told:
        calling.tell(ctx, row, AlertKind.RECOVERED, because, now)


def begin_recovery(
    ctx: Context, row: IncidentRow, active: RecoveryRow | None, playbook: Playbook, because: str, now: datetime
) -> None:
    """Begin a recovery with its own copy of the playbook; one at rest makes room for it."""
    if active:
        recoveries.end_recovery(active, RecoveryState.CANCELLED, "another recovery begins", now)
    playbook = order_learned(playbook if playbook.mended else as_taken(playbook, row), row, now)
    because = f"{because}; {playbook.because}" if playbook.because else because
    first_at = max(now, row.episode_at + timedelta(seconds=playbook.stages[0].after_seconds))
    recoveries.add_recovery(row.id, _frozen(playbook), because, first_at, now)
    first_word = row.state == IncidentState.OPEN
    incidents.move_incident(row, IncidentState.RECOVERING, because, now, wake_at=row.escalate_at)
    if first_word:
        calling.tell(ctx, row, AlertKind.OPENED, because, now)


def _frozen(playbook: Playbook) -> dict[str, Any]:
    """The recovery's own copy. A plugin may hold a password: what it is run with is read from the configuration."""
    copy = asdict(playbook)
    for plugin in [
        copy["check"],
        *copy["actions"],
        *(one for stage in copy["stages"] for one in (stage["check"], *(stage["actions"] or ()))),
    ]:
        if plugin:
            plugin["args"] = redact(plugin["args"])
    return copy


def view_of(row: IncidentRow, known: Known, now: datetime) -> decide.IncidentView:
    """An incident with everything that its next move depends on."""
    counted, recovery = known.chains[row.id], known.recoveries.get(row.id)
    return decide.IncidentView(
        id=row.id,
        state=IncidentState(row.state),
        component=row.component,
        site=row.site,
        cause_class=CauseClass(row.cause_class),
        outlook=Outlook(row.outlook),
        because=row.because,
        opened_at=row.opened_at,
        last_signal_at=row.last_signal_at,
        failed_at=row.failed_at,
        escalate_at=row.escalate_at,
        settle_at=row.settle_at,
        sign_at=row.sign_at,
        told=bool(row.told_at or row.acknowledged_at),
        **_of_recovery(recovery),
        **_kind_of(row),
        waiting=counted.get("waiting", 0),
        retrying=counted.get("retrying", 0),
        recovered=executions.recovered_in_episode(row, counted),
        left_alone=counted.get("left_alone", 0),
        asking=counted["asking"],
        **_of_component(row, known.components.get(row.component)),
        flapping=row.flapping,
        held=row.held,
        **_of_workflows(row, known),
        **_of_earlier(row, recovery, now),
    )


def _of_earlier(row: IncidentRow, recovery: RecoveryRow | None, now: datetime) -> dict[str, Any]:
    """What its recoveries came to so far, as far as its state lets that matter."""
    if row.state == IncidentState.NEEDS_HUMAN:
        last = recoveries.find_newest(row.id)
        tried_at = (last.ended_at or last.started_at) if last else None
        return {"tried": last is not None and last.started_at >= row.episode_at, "tried_at": tried_at}
    if row.state == IncidentState.RECOVERING and recovery is None:
        return {"begun_lately": recoveries.count_begun(row.id, now - timedelta(hours=1))}
    return {}


def _of_workflows(row: IncidentRow, known: Known) -> dict[str, Any]:
    return {"parents_due": row.id in known.only_subworkflows, "ignored": row.id in known.ignored}


def _kind_of(row: IncidentRow) -> dict[str, Any]:
    return {"failure_type": FailureType(row.failure_type), "severity": Severity(row.severity)}


def _of_recovery(recovery: RecoveryRow | None) -> dict[str, Any]:
    state = recovery.state if recovery else None
    return {"healing": state is not None, "at_rest": state in AT_REST, "paused": state == RecoveryState.PAUSED}


def _of_component(row: IncidentRow, component: ComponentRow | None) -> dict[str, Any]:
    if component is None:
        return {}
    known = component_facts(component)
    known_healthy = proven_healthy(known, CauseClass(row.cause_class), row.failed_at)
    return {"known_healthy": known_healthy, "unstable": known.health is Health.FLAPPING}
