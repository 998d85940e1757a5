"""How an incident stands, and what holds an action on its component just now: what a person wants to know first."""

from collections.abc import Iterator
from datetime import datetime

from recovery.decide import brakes
from recovery.decide.holding import planned_windows, why_held
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
    failing = incidents.find_failing(policy.upstream(component))
    windows = [*maintenance.find_windows(now), *planned_windows(policy.maintenance, now)]
    if hold := why_held(component, policy, failing, windows):
        yield f"  now nothing is begun: {hold.because}"
    told: dict[str, None] = {}
    for action in [*(one for stage in playbook.stages for one in stage.actions or ()), *playbook.actions]:
        lately = acted.find_lately(action, component, policy, now, playbook.name, recovery.id if recovery else 0)
        word = brakes.judge(action.name, lately, policy.brakes, now, playbook.by_person)
        if not isinstance(word, brakes.Go):
            told[f"  now {word.because}"] = None
    yield from told
