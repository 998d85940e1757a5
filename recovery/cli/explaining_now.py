"""How an incident stands, and what holds an action on its component just now: what a person wants to know first."""

from collections.abc import Iterator
from datetime import datetime

from recovery.decide import brakes
from recovery.decide.holding import Window, planned_windows, why_held
from recovery.model import Playbook, Policy
from recovery.store import acted, incidents, maintenance
from recovery.store.tables import IncidentRow, RecoveryRow


def tell_standing(incident: IncidentRow, recovery: RecoveryRow | None) -> Iterator[str]:
    """How the incident and its recovery stand, and why."""
    yield f"  incident {incident.id} is {incident.state}: {incident.because}"
    if recovery:
        at = f", next at {recovery.next_at:%Y-%m-%d %H:%M:%S} (UTC)" if recovery.next_at else ""
        stands = f"{recovery.state}, stage {recovery.stage}, attempt {recovery.attempt}{at}"
        yield f"  its recovery, with the playbook that it began with, is {stands}: {recovery.because}"


def tell_against(
    component: str, playbook: Playbook, recovery: RecoveryRow | None, policy: Policy, now: datetime
) -> Iterator[str]:
    """What would hold its actions now, by the limits, by a maintenance and by what it needs."""
    windows = [Window(tuple(row.components), row.ends_at, row.note) for row in maintenance.find_open_windows(now)]
    failing = incidents.find_failing(policy.upstream(component))
    hold = why_held(component, policy, failing, [*windows, *planned_windows(policy.maintenance, now)])
    if hold:
        yield f"  now nothing is begun: {hold.because}"
    actions = [action for stage in playbook.stages for action in stage.actions or ()] + list(playbook.actions)
    told = [_word(name, component, playbook, recovery, policy, now) for name in dict.fromkeys(a.name for a in actions)]
    yield from dict.fromkeys(f"  now {line}" for line in told if line)


def _word(
    name: str, component: str, playbook: Playbook, recovery: RecoveryRow | None, policy: Policy, now: datetime
) -> str:
    """What the brakes would say of an action of that name; "" where nothing."""
    lately = brakes.Lately(
        same=acted.find_begun(component, name, now - brakes.DAY),
        all=acted.count_begun(now - brakes.DAY, now - brakes.HOUR),
        acted_at=acted.last_acted(component, recovery.id if recovery else 0),
        acting=acted.find_acting(component, now),
        doubt=acted.find_doubt(component, None, now),
        in_vain=acted.count_in_vain(component, playbook.name, policy.brakes.breaker),
    )
    word = brakes.judge(name, lately, policy.brakes, now, playbook.by_person)
    return "" if isinstance(word, brakes.Go) else word.because
