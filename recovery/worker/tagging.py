"""Tags by which authors of workflows steer us in n8n: read with each poll, heeded where an incident is looked at.

Triage reads what was read last, and never waits for n8n: a tag that is news by then is heeded as soon as it is known.
"""

import logging
from datetime import datetime

from recovery.decide.tagging import CRITICAL, IGNORED, steer
from recovery.model import CRITICAL_TAG, IGNORE_TAG, ExecutionState, N8nDoor, N8nError, Severity, tags_of
from recovery.sources.shapes import text
from recovery.store import database, executions, incidents, recoveries, tagged
from recovery.store.tables import IncidentRow
from recovery.worker.context import Context
from recovery.worker.worsening import raise_severity

log = logging.getLogger("medic.worker")
LONGEST_ID, LONGEST_NAME = 64, 200


def read_tags(site: str, door: N8nDoor, now: datetime, deep: bool) -> None:
    """Ask an n8n for the workflows with a tag of ours. Where it does not tell, what it said last stands.

    `deep`: say so in the log: a key without the scope workflow:list never tells.
    """
    found: dict[str, tuple[str, frozenset[str]]] = {}
    try:
        for tag in (CRITICAL_TAG, IGNORE_TAG):
            for one in door.tagged_workflows(tag):
                found[text(one.get("id"), LONGEST_ID)] = text(one.get("name"), LONGEST_NAME), tags_of(one)
    except N8nError as problem:
        if deep:
            log.warning("%s: %s and %s are not known: %s", site, CRITICAL_TAG, IGNORE_TAG, problem)
        return
    found.pop("", None)
    with database.write():
        tagged.set_tagged(site, found, now)
        incidents.wake_incidents(tagged.find_unheeded(site), now)


def heed_tags(ctx: Context, rows: list[IncidentRow], now: datetime) -> set[int]:
    """Do for these incidents what tags say, also those that were put on later; those that hold nothing to be healed."""
    if not tagged.are_any():
        return set()
    held = tagged.count_held([row.id for row in rows])
    tags = tagged.find_tags(workflow_id for one in held.values() for _, workflow_id in one)
    ignored = set()
    for row in rows:
        steering = steer(held.get(row.id, {}), tags)
        if steering.critical:
            raise_severity(ctx, row, Severity.CRITICAL, CRITICAL, now)
        for site, workflow_id in steering.leave:
            _leave(row.id, site, workflow_id, now)
        if steering.ignored:
            ignored.add(row.id)
    return ignored


def _leave(incident_id: int, site: str, workflow_id: str, now: datetime) -> None:
    for chain in tagged.find_undone(incident_id, site, workflow_id):
        executions.move_chain(chain, ExecutionState.LEFT_ALONE, IGNORED, now, asks=False)
    recoveries.wake_recoveries([incident_id], now)
