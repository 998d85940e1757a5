"""Workflows that a tag of ours is on (the table `tagged_workflows`): a poll of n8n writes them, triage reads them."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from recovery.model import CRITICAL_TAG, IGNORE_TAG, ExecutionState, Held
from recovery.redact import redact_text
from recovery.store import bulk
from recovery.store.tables import ExecutionRow, TaggedRow

Workflow = tuple[str, str]  # its n8n, and its id there
UNDONE = (ExecutionRow.state == ExecutionState.WAITING) | ExecutionRow.asks
HELD = (
    "SELECT incident_id, site, workflow_id, SUM(CASE WHEN state != 'recovered' THEN 1 ELSE 0 END),"
    " SUM(CASE WHEN state = 'waiting' OR asks THEN 1 ELSE 0 END)"
    " FROM executions WHERE incident_id IN ? GROUP BY incident_id, site, workflow_id"
)
UNHEEDED = (
    "SELECT DISTINCT incidents.id FROM tagged_workflows JOIN executions"
    " ON executions.site = tagged_workflows.site AND executions.workflow_id = tagged_workflows.workflow_id"
    " JOIN incidents ON incidents.id = executions.incident_id"
    " WHERE tagged_workflows.site = ? AND incidents.open_key IS NOT NULL AND executions.state != 'recovered'"
    " AND (tagged_workflows.ignored OR incidents.severity != 'critical')"
)


def set_tagged(site: str, found: Mapping[str, tuple[str, frozenset[str]]], now: datetime) -> None:
    """What n8n says now: {workflow id: (name, tags)}; all others of this n8n have no tag of ours."""
    known = {row.workflow_id: row for row in TaggedRow.select().where(TaggedRow.site == site)}
    for workflow_id in known.keys() - found.keys():
        known[workflow_id].delete_instance()
    for workflow_id, (name, tags) in found.items():
        told = {"name": redact_text(name), "critical": CRITICAL_TAG in tags, "ignored": IGNORE_TAG in tags}
        row = known.get(workflow_id)
        if row is None:
            bulk.create_once(TaggedRow, site=site, workflow_id=workflow_id, since=now, **told)
        elif told != {key: getattr(row, key) for key in told}:
            bulk.set_row(TaggedRow, row.id, told)


def are_any() -> bool:
    """Whether any workflow has a tag of ours."""
    return bool(bulk.select("SELECT 1 FROM tagged_workflows LIMIT 1"))


def find_tagged() -> list[TaggedRow]:
    """All of them, by n8n and name."""
    return list(TaggedRow.select().order_by(TaggedRow.site, TaggedRow.name, TaggedRow.workflow_id))


def find_tags(workflow_ids: Iterable[str]) -> dict[Workflow, frozenset[str]]:
    """The tags of ours on these workflows; those without have no entry."""
    found: dict[Workflow, frozenset[str]] = {}
    for part in bulk.in_parts(set(workflow_ids)):
        for row in bulk.find_rows(TaggedRow, "workflow_id IN ?", part):
            tags = ((CRITICAL_TAG, row.critical), (IGNORE_TAG, row.ignored))
            found[row.site, row.workflow_id] = frozenset(tag for tag, is_on in tags if is_on)
    return found


def count_held(incident_ids: Iterable[int]) -> dict[int, dict[Workflow, Held]]:
    """What each of these incidents holds of each workflow."""
    found: dict[int, dict[Workflow, Held]] = {}
    wanted = list(incident_ids)
    for incident_id, site, workflow_id, broken, undone in bulk.select(HELD, wanted) if wanted else ():
        found.setdefault(incident_id, {})[site, workflow_id] = Held(int(broken), int(undone))
    return found


def find_undone(incident_id: int, site: str, workflow_id: str) -> list[ExecutionRow]:
    """The chains of a workflow that an incident would still run again, or ask a person about."""
    of_this = (ExecutionRow.incident_id == incident_id) & (ExecutionRow.site == site)
    return list(ExecutionRow.select().where(of_this, ExecutionRow.workflow_id == workflow_id, UNDONE))


def find_unheeded(site: str) -> list[int]:
    """Incidents that are not resolved, with executions of this n8n of which a tag may say more than is done."""
    return [row[0] for row in bulk.select(UNHEEDED, site)]


def count_ignored(counted: Mapping[Workflow, tuple[int, datetime]]) -> None:
    """Add to the failures that were left alone: {workflow: (how many more, when the last of them happened)}."""
    for (site, workflow_id), (count, at) in counted.items():
        is_this = (TaggedRow.site == site) & (TaggedRow.workflow_id == workflow_id)
        TaggedRow.update(failures=TaggedRow.failures + count, failed_at=at).where(is_this).execute()
