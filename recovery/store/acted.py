"""What was done lately, for the brakes: the actions that were really run, or are about to be."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import peewee as pw

from recovery.model import CANARY, Lately, PlannedAction, Policy, RecoveryState, StepKind, StepState
from recovery.model.playbooks import DAY, HOUR
from recovery.store.tables import ComponentRow, IncidentRow, RecoveryRow, StepRow

NO_RECOVERY = 0
MOST_DOUBTS = 10
REBOOT = "reboot_host"  # ends everything on its host, not its component alone
MOST_LOOKED_AT = 100  # recoveries of a component, of whatever playbook
ACTED = (StepRow.kind == StepKind.ACTION) & (StepRow.name != CANARY) & (StepRow.dry == False)  # noqa: E712
STARTED = StepRow.started_at.is_null(False)
REAL = ACTED & (StepRow.back == False)  # noqa: E712
RUNS = StepRow.state == StepState.RUNNING  # claimed by a worker, or left to an agent
UNFINISHED = ACTED & StepRow.finished_at.is_null()
DUE = (StepRow.run_at, StepRow.lease_until)  # one that waits for a person's yes has neither
BEGUN = UNFINISHED & RUNS & STARTED
ALLOWED = REAL & StepRow.started_at.is_null() & StepRow.finished_at.is_null()


class _Wanted(NamedTuple):
    """What is to be run: by which playbook, in which recovery, as which step; `host`: where it restarts something."""

    action: str
    component: str
    host: str | None
    playbook: str
    recovery: int
    step: int = 0


def find_lately(
    action: PlannedAction,
    component: str,
    policy: Policy,
    now: datetime,
    playbook: str = "",
    recovery: int = NO_RECOVERY,
) -> Lately:
    """What was done on a component, its host and everywhere, as far as this action is concerned.

    Args:
        playbook, recovery: by which, and in which recovery, it is to be run; without them a person runs it by hand.
    """
    wanted = _Wanted(action.name, component, action.host, playbook, recovery)
    acting, restarting = find_acting(component, now), find_restarting(wanted.host, now)
    if acting or restarting:  # that alone makes it wait; where many wait for one host, each look counts
        return Lately(acting=acting, restarting=restarting)
    return _find_ended(wanted, policy, now)


def find_lately_again(step: StepRow, playbook: str, policy: Policy, now: datetime) -> Lately:
    """The same just before a step of a recovery begins. It is allowed already, so that it does not count itself."""
    wanted = _Wanted(step.name, step.component, step.host, playbook, step.recovery_id or NO_RECOVERY, step.id)
    return _find_ended(wanted, policy, now)


def _find_ended(one: _Wanted, policy: Policy, now: datetime) -> Lately:
    return Lately(
        same=find_begun(one.component, one.action, now - DAY),
        all=count_begun(now - DAY, now - HOUR, one.step),
        acted_at=last_acted(one.component, one.recovery),
        doubt=find_doubt(one.component, one.host, now),
        in_vain=count_in_vain(one.component, one.playbook, policy.brakes.breaker),
        starting=_find_starting(one, policy, now),
    )


def _find_starting(one: _Wanted, policy: Policy, now: datetime) -> tuple[str, datetime] | None:
    """A server that was rebooted comes up within the time that the component has for which it was."""
    ends = []
    for component, at in find_rebooted(one.host, now - HOUR, one.recovery):
        playbook = policy.component(component).playbook
        ends.append(at + timedelta(seconds=playbook.boot_grace_seconds if playbook else 0.0))
    return (str(one.host), max(ends)) if ends else None


def _under_way(now: datetime) -> Any:
    """What runs, and what is due; what is put off stands in nobody's way, and is judged anew when it begins."""
    waits = (StepRow.state == StepState.QUEUED) & (StepRow.run_at <= now) & (StepRow.back == False)  # noqa: E712
    return UNFINISHED & (RUNS | waits)


def find_acting(component: str, now: datetime) -> str:
    """The action on a component that is under way, or about to be, in whatever recovery; "" without one."""
    row = StepRow.select(StepRow.name).where(_under_way(now), StepRow.component == component).first()
    return row.name if row else ""


def find_restarting(host: str | None, now: datetime) -> str:
    """What is being restarted on a host, or about to be, as "action of component"; "" where nothing is."""
    if host is None:
        return ""
    row = StepRow.select(StepRow.name, StepRow.component).where(_under_way(now), StepRow.host == host).first()
    return f"{row.name} of {row.component}" if row else ""


def find_in_the_way(step: StepRow) -> str:
    """What has begun on a step's component, or is being restarted on its host; "" where the step may begin."""
    others = BEGUN & (StepRow.id != step.id)
    same = StepRow.component == step.component
    where = same | (StepRow.host == step.host) if step.host else same
    row = StepRow.select(StepRow.name, StepRow.component).where(others, where).first()
    return f"{row.name} of {row.component}" if row else ""


def find_doubt(component: str, host: str | None, now: datetime) -> tuple[str, datetime] | None:
    """The action on a component, or restart on its host, of which nobody knows whether it happened, as long as it may
    still be at work: its name, and when its time is over; None without one."""
    here = StepRow.component == component
    mine = ACTED & (StepRow.state == StepState.UNKNOWN) & (here if host is None else here | (StepRow.host == host))
    newest = StepRow.select().where(mine, STARTED).order_by(StepRow.finished_at.desc()).limit(MOST_DOUBTS)
    ends = [(row.started_at + timedelta(seconds=row.timeout_seconds), row.name) for row in newest]
    until, name = max(ends, default=(now, ""))
    return (name, until) if until > now else None


def find_begun(component: str, name: str, since: datetime) -> list[datetime]:
    """When an action of that kind was begun on a component since then, oldest first."""
    mine = REAL & (StepRow.component == component) & (StepRow.name == name) & (StepRow.started_at > since)
    return [row.started_at for row in StepRow.select(StepRow.started_at).where(mine).order_by(StepRow.started_at)]


def count_begun(since: datetime, lately: datetime, but: int = 0) -> tuple[int, int]:
    """How many actions were begun on all components, lately and since the earlier of the two times.

    What is allowed and has not begun yet counts in both: where many fail at once, all are planned before any begins.
    `but`: the step that is asked for, which does not count.
    """
    is_late = pw.fn.SUM(pw.Case(None, [(StepRow.started_at > lately, 1)], 0))
    late, begun = StepRow.select(is_late, pw.fn.COUNT(StepRow.id)).where(REAL, StepRow.started_at > since).tuples()[0]
    # Two queries, each by an index of its own.
    others = ALLOWED & (StepRow.id != but)
    allowed = sum(StepRow.select().where(others, column.is_null(False)).count() for column in DUE)
    return int(late or 0) + allowed, begun + allowed


def last_acted(component: str, but_recovery: int) -> datetime | None:
    """When the last action on a component ended that another recovery, or a person, had run; None without."""
    other = StepRow.recovery_id.is_null() | (StepRow.recovery_id != but_recovery)
    mine = REAL & (StepRow.component == component) & other
    done = mine & STARTED & StepRow.finished_at.is_null(False)
    row = StepRow.select(StepRow.finished_at).where(done).order_by(StepRow.finished_at.desc()).first()
    return row.finished_at if row else None


def find_rebooted(host: str | None, since: datetime, but_recovery: int) -> list[tuple[str, datetime]]:
    """Which components another recovery, or a person, had a host rebooted for since then, and when that was done."""
    if host is None:
        return []
    other = StepRow.recovery_id.is_null() | (StepRow.recovery_id != but_recovery)
    mine = REAL & (StepRow.host == host) & (StepRow.name == REBOOT) & (StepRow.state == StepState.SUCCEEDED)
    rows = StepRow.select(StepRow.component, StepRow.finished_at).where(mine, other, StepRow.finished_at > since)
    return [(row.component, row.finished_at) for row in rows]


def count_in_vain(component: str, playbook: str, most: int) -> int:
    """How many recoveries in a row, up to `most`, acted on a component by that playbook and failed.

    Those that failed by another playbook in between count neither way, and those before a person had it tried again
    do not count.
    """
    closed = ComponentRow.select(ComponentRow.breaker_closed_at).where(ComponentRow.name == component).scalar()
    acted = pw.fn.EXISTS(StepRow.select(pw.SQL("1")).where(REAL, StepRow.recovery_id == RecoveryRow.id, STARTED))
    ended = RecoveryRow.state.in_((RecoveryState.SUCCEEDED, RecoveryState.FAILED))
    query = (
        RecoveryRow.select(RecoveryRow)
        .join(IncidentRow, on=(IncidentRow.id == RecoveryRow.incident_id))
        .where(IncidentRow.component == component, ended, acted)
        .order_by(RecoveryRow.id.desc())
        .limit(MOST_LOOKED_AT)
    )
    count = 0
    for row in query:
        if row.state == RecoveryState.SUCCEEDED or (closed and row.ended_at and row.ended_at <= closed):
            break
        count += row.playbook.get("name", "") == playbook
        if count >= most:
            break
    return count
