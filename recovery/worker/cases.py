"""A recovery with what its next move depends on, and what its moves do to it."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from recovery.decide import planner
from recovery.decide.readings import last_said
from recovery.model import Health, Playbook, RecoveryState, StepKind, StepState
from recovery.store import components, executions, recoveries, sites, steps
from recovery.store.tables import ComponentRow, IncidentRow, RecoveryRow, SiteRow, StepRow
from recovery.worker.context import Context
from recovery.worker.facts import component_facts
from recovery.worker.reading_n8n import REFUSALS

TRY_REFUSED_AGAIN = timedelta(minutes=5)


class Case(NamedTuple):
    """A recovery with what its moves need."""

    ctx: Context
    incident: IncidentRow
    row: RecoveryRow
    playbook: Playbook
    now: datetime

    @property
    def dry(self) -> bool:
        """Nothing is done, everything is decided."""
        return self.playbook.dry_run or self.ctx.dry_run

    def set(self, because: str, **changes: Any) -> None:
        """Change the recovery."""
        recoveries.set_recovery(self.row, because, self.now, **changes)

    def run(self, because: str) -> None:
        """The recovery runs: it is looked at when what has begun ends."""
        self.set(because, state=RecoveryState.RUNNING, next_at=None, wake_at=None)

    def add_step(self, kind: StepKind, name: str, because: str, state: StepState, **more: Any) -> StepRow:
        """The recovery's next step."""
        more = {"component": self.incident.component, **more}
        return steps.add_step(self.row, kind, name, because, self.now, state, **more)


class Known(NamedTuple):
    """What the moves of many recoveries depend on, read at once."""

    steps: dict[int, list[StepRow]]
    chains: dict[int, dict[str, int]]
    components: dict[str, ComponentRow]
    sites: dict[str, SiteRow]

    @classmethod
    def of(cls, cases: list[Case]) -> "Known":
        """What is known of these."""
        return cls(
            steps.find_present_steps([case.row.id for case in cases]),
            executions.count_all_chains([case.incident.id for case in cases]),
            components.find_components([case.incident.component for case in cases]),
            sites.find_sites() if cases else {},
        )


def view_of(case: Case, known: Known) -> planner.RecoveryView:
    """A recovery with everything that its next move depends on."""
    row, counted = case.row, known.chains[case.incident.id]
    component = known.components.get(case.incident.component)
    said = last_said(component_facts(component)) if component else Health.UNKNOWN
    return planner.RecoveryView(
        state=RecoveryState(row.state),
        stage=row.stage,
        attempt=row.attempt,
        playbook=case.playbook,
        steps=[step_facts(step) for step in known.steps[row.id]],
        waiting=counted.get("waiting", 0),
        retrying=counted.get("retrying", 0),
        asking=counted["asking"],
        replaying=row.replaying,
        setback=row.setback or "",
        next_at=row.next_at,
        seen_at=component.seen_at if component else None,
        healthy=said is Health.HEALTHY,
        failing=said is Health.UNHEALTHY,
        recovered=executions.recovered_in_episode(case.incident, counted),
        configured=case.incident.component in case.ctx.policy.components,
        blocked=_blocked(case, known.sites) if counted.get("waiting") else "",
    )


def _blocked(case: Case, known: dict[str, SiteRow]) -> str:
    """Why n8n cannot be asked to retry anything, however often; "" where it can."""
    names = case.ctx.policy.sites
    if not names:
        return "no n8n is connected"
    return why_blocked(known.get(case.incident.site if case.incident.site in names else names[0]), case.now)


def why_blocked(site: SiteRow | None, now: datetime) -> str:
    """Why this n8n cannot be asked to retry anything, however often; "" where it can."""
    if site is None or site.state not in REFUSALS.values():
        return ""
    refused_at = sites.refused_at(site)  # a key that was given its scope is found out by trying
    return "" if refused_at and now - refused_at >= TRY_REFUSED_AGAIN else site.detail


def step_facts(step: StepRow) -> planner.StepFacts:
    """A step as decisions take it."""
    why = step.error or step.result or ""
    kind, state = StepKind(step.kind), StepState(step.state)
    return planner.StepFacts(
        step.number, kind, step.name, state, step.finished_at, why, step.dry, step.started_at is not None
    )
