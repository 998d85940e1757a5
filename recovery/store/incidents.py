"""Incidents: one open per fingerprint."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from recovery.clock import from_micros, to_micros
from recovery.model import DOWN, Cause, CauseClass, IncidentState
from recovery.store import bulk, database
from recovery.store.events import add_event
from recovery.store.tables import ExecutionRow, IncidentRow


class Overtaken(Exception):
    """The incident is no longer in the state that the move was decided for; nothing was changed."""


def find_newest(fingerprints: Iterable[str]) -> dict[str, IncidentRow]:
    """The newest incident of each fingerprint."""
    found: dict[str, IncidentRow] = {}
    newest = "id IN (SELECT MAX(id) FROM incidents WHERE fingerprint IN ? GROUP BY fingerprint)"
    for part in bulk.in_parts(set(fingerprints)):
        found.update({row.fingerprint: row for row in bulk.find_rows(IncidentRow, newest, part)})
    return found


def find_open(fingerprints: Iterable[str]) -> set[str]:
    """Those of the fingerprints that have an incident which is not resolved."""
    found: set[str] = set()
    for part in bulk.in_parts(set(fingerprints)):
        rows = IncidentRow.select(IncidentRow.open_key).where(IncidentRow.open_key.in_(part))
        found.update(row[0] for row in rows.tuples())
    return found


def find_incident(incident_id: int) -> IncidentRow:
    """The incident of that id."""
    return IncidentRow.get_by_id(incident_id)


def find_incidents(incident_ids: Iterable[int]) -> dict[int, IncidentRow]:
    """Incidents by their ids."""
    wanted = list(set(incident_ids))
    return {row.id: row for row in bulk.find_rows(IncidentRow, "id IN ?", wanted)} if wanted else {}


def find_of_workflows(workflow_ids: Iterable[str]) -> dict[tuple[str, str], tuple[int, ...]]:
    """(site, workflow id) -> incidents that are not resolved and hold chains of it."""
    wanted = list(set(workflow_ids))
    if not wanted:
        return {}
    query = (
        ExecutionRow.select(ExecutionRow.site, ExecutionRow.workflow_id, ExecutionRow.incident_id)
        .join(IncidentRow, on=(IncidentRow.id == ExecutionRow.incident_id))
        .where(ExecutionRow.workflow_id.in_(wanted), IncidentRow.open_key.is_null(False))
        .distinct()
    )
    found: dict[tuple[str, str], tuple[int, ...]] = {}
    for site, workflow_id, incident_id in query.tuples():
        found[site, workflow_id] = (*found.get((site, workflow_id), ()), incident_id)
    return found


def add_incident(
    cause: Cause,
    because: str,
    now: datetime,
    escalate_at: datetime,
    previous_id: int | None = None,
    failed_at: datetime | None = None,
) -> IncidentRow:
    """A new incident, to be looked at now."""
    row = bulk.create(
        IncidentRow,
        fingerprint=cause.fingerprint,
        open_key=cause.fingerprint,
        site=cause.site,
        component=cause.component,
        cause_class=cause.cause_class,
        **_told_of(cause),
        state=IncidentState.OPEN,
        because=because,
        opened_at=now,
        episode_at=now,
        last_signal_at=now,
        failed_at=failed_at or now,
        escalate_at=escalate_at,
        wake_at=now,
        previous_id=previous_id,
    )
    add_event(now, "incident", row.id, IncidentState.OPEN, because, row.id)
    return row


def _told_of(cause: Cause) -> dict[str, Any]:
    """What people are told of a cause, which may differ from one episode to the next."""
    return {
        "failure_type": cause.failure_type,
        "outlook": cause.outlook,
        "severity": cause.severity,
        "cause": cause.summary,
        "advice": cause.advice,
    }


def reopen_incident(
    row: IncidentRow, cause: Cause, because: str, now: datetime, escalate_at: datetime, flapping: bool
) -> None:
    """It came back soon after resolving: the same incident in a new episode, told as it is now."""
    hour_ago = to_micros(now - timedelta(hours=1))
    recent = [at for at in row.recurred_at if at > hour_ago]
    changes: dict[str, Any] = {
        "open_key": row.fingerprint,
        "resolved_at": None,
        "episode": row.episode + 1,
        "episode_at": now,
        "recurred_at": recent if row.held else [*recent, to_micros(now)],
        "flapping": flapping,
        **_told_of(cause),
        "told_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "escalate_at": escalate_at,
        "last_signal_at": now,
    }
    move_incident(row, IncidentState.OPEN, because, now, **changes)


def reattach_incident(row: IncidentRow, because: str, now: datetime, escalate_at: datetime) -> None:
    """A failure from before the resolution was heard of late: healed quietly, in the same episode."""
    changes: dict[str, Any] = {
        "open_key": row.fingerprint,
        "resolved_at": None,
        "escalate_at": escalate_at,
        "told_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
    }
    move_incident(row, IncidentState.RECOVERING, because, now, **changes)


def move_incident(
    row: IncidentRow, state: IncidentState, because: str, now: datetime, who: str = "medic", **changes: Any
) -> None:
    """Change an incident's state, with history; it is looked at again at once.

    Raises:
        Overtaken: it is no longer in the state that the row had when it was read.
    """
    values = {"state": state, "because": because, "settle_at": None, "held": False, "wake_at": now, **changes}
    if not bulk.set_rows(IncidentRow, [({"id": row.id, "state": row.state}, values)]):
        raise Overtaken(f"incident {row.id} is no longer {row.state}: it was to become {state}, because {because}")
    add_event(now, "incident", row.id, state, because, row.id, before=row.state, who=who)
    for name, value in values.items():
        setattr(row, name, value)


def resolve_incident(row: IncidentRow, because: str, now: datetime, who: str = "medic") -> None:
    """It is over. One that was held, and that nobody heard of, stays marked so: its return is no recurrence."""
    unheard = row.held and row.state == IncidentState.OPEN
    changes = {"open_key": None, "resolved_at": now, "escalate_at": None, "flapping": False, "held": unheard}
    move_incident(row, IncidentState.RESOLVED, because, now, who, wake_at=None, **changes)


def set_incident(incident_id: int, **changes: Any) -> None:
    """Change what is no state, and so needs no history."""
    bulk.set_row(IncidentRow, incident_id, changes)


def put_off_held(names: Iterable[str], until: datetime) -> None:
    """Look at what is held of these components only then: nobody knows yet whether it still fails."""
    for part in bulk.in_parts(names):
        of_these = IncidentRow.component.in_(part) & IncidentRow.open_key.is_null(False)
        IncidentRow.update(wake_at=until).where(of_these, IncidentRow.held).execute()


def set_aside(incident_id: int, until: datetime) -> None:
    """Leave it alone until then, so that it holds up no other; one that is resolved rests for good."""
    is_this = IncidentRow.id == incident_id
    IncidentRow.update(wake_at=until).where(is_this, IncidentRow.open_key.is_null(False)).execute()
    IncidentRow.update(wake_at=None).where(is_this, IncidentRow.open_key.is_null()).execute()


def wake_incidents(incident_ids: Iterable[int], now: datetime) -> None:
    """Have incidents that are not resolved looked at, now or earlier if that was planned."""
    wanted = [one for one in set(incident_ids) if one]
    if wanted:
        later = IncidentRow.wake_at.is_null() | (IncidentRow.wake_at > now)
        condition = IncidentRow.id.in_(wanted) & IncidentRow.open_key.is_null(False) & later
        IncidentRow.update(wake_at=now).where(condition).execute()


def wake_all_incidents(now: datetime) -> None:
    """Have every incident that is not resolved looked at."""
    IncidentRow.update(wake_at=now).where(IncidentRow.open_key.is_null(False)).execute()


def find_open_of(names: Iterable[str]) -> list[IncidentRow]:
    """The incidents of these components that are not resolved."""
    wanted = set(names)
    return [row for row in IncidentRow.select().where(IncidentRow.open_key.is_null(False)) if row.component in wanted]


def find_failing(names: Iterable[str]) -> set[str]:
    """Those of the components that have an open incident of being down; a warning of one is none."""
    query = IncidentRow.select(IncidentRow.component).where(
        IncidentRow.component.in_(list(names)),
        IncidentRow.open_key.is_null(False),
        IncidentRow.cause_class == CauseClass.UNAVAILABLE,
        IncidentRow.failure_type.in_(list(DOWN)),
    )
    return {row[0] for row in query.tuples()}


def count_signals(counted: Mapping[int, tuple[int, datetime]], now: datetime) -> None:
    """Add to the signals of incidents: {incident id: (how many more, when the last of them happened)}."""
    mark, greater = ("?", "MAX") if database.is_sqlite() else ("%s", "GREATEST")
    sql = (
        f"UPDATE incidents SET signal_count = signal_count + {mark}, last_signal_at = {mark},"  # noqa: S608
        f" failed_at = {greater}(failed_at, {mark}) WHERE id = {mark}"
    )
    rows = [(count, to_micros(now), to_micros(at), incident_id) for incident_id, (count, at) in counted.items()]
    if rows:
        database.proxy.obj.connection().cursor().executemany(sql, rows)


def sign_incidents(signs: Mapping[int, datetime], now: datetime) -> None:
    """Note signs of health, {incident id: when it was seen}, and have the incidents looked at."""
    for incident_id, at in signs.items():
        is_open = (IncidentRow.id == incident_id) & IncidentRow.open_key.is_null(False)
        IncidentRow.update(wake_at=now).where(is_open).execute()
        older = IncidentRow.sign_at.is_null() | (IncidentRow.sign_at < at)
        IncidentRow.update(sign_at=at).where(is_open, older).execute()


def find_due_incidents(now: datetime, limit: int = 200) -> list[IncidentRow]:
    """Incidents to look at now."""
    more = f"ORDER BY wake_at LIMIT {int(limit)} {bulk.passing_over()}"
    return bulk.find_rows(IncidentRow, "wake_at <= ?", now, more=more)


def recent_recurrences(row: IncidentRow) -> tuple[datetime, ...]:
    """When it came back, as far as it is remembered."""
    return tuple(from_micros(at) for at in row.recurred_at)
