"""Schedules of published workflows that have silently stopped."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recovery.checks import check
from recovery.checks.asking_n8n import asking_n8n
from recovery.checks.cron import TimeZone, last_due, zone_of
from recovery.checks.executions import saves_successes, settings_of
from recovery.checks.naming import name_some
from recovery.checks.remembering import known_seconds
from recovery.checks.workflows import are_critical, heeded, live_nodes
from recovery.model import FailureType, N8nDoor, Past, Reading
from recovery.model.durations import Duration
from recovery.model.moments import read_aware

TRIGGER = "n8n-nodes-base.scheduleTrigger"
# Of each kind of interval: the parameter that says how many, and the seconds of one.
INTERVALS = {
    "seconds": ("secondsInterval", 1), "minutes": ("minutesInterval", 60), "hours": ("hoursInterval", 3_600),
    "days": ("daysInterval", 86_400), "weeks": ("weeksInterval", 7 * 86_400), "months": ("monthsInterval", 31 * 86_400),
}  # fmt: skip
USUAL = {"seconds": 30, "minutes": 5}
MOST_ASKED = 100
CLOCKS = timedelta(seconds=60)  # n8n's clock may be behind ours
ZONES = tuple(timezone(timedelta(hours=hours)) for hours in range(-12, 15))


class Args(BaseModel):
    """Which n8n, and how late a schedule may be."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)
    factor: Annotated[float, Field(ge=1.1, le=100)] = Field(
        1.5, description="one that runs every so often has stopped where nothing ran for this many times that"
    )
    grace: Duration = Field(300.0, description="and for this long beyond it, or beyond the time that cron says")
    timezone: TimeZone = Field(
        "", description="n8n's GENERIC_TIMEZONE, for workflows that name none", examples=["Europe/Berlin"]
    )
    max_age: Duration = Field(
        1_209_600.0, description="n8n's EXECUTIONS_DATA_MAX_AGE, which is in hours there", examples=["168h"]
    )


@check("n8n_schedules", remembers=True)
@asking_n8n
def look_for_schedules(args: Args, door: N8nDoor, past: Past) -> Reading:
    """Compares each published workflow's Schedule Trigger with its last execution, and remembers that.

    One that should have run and did not is `schedule_missed`: unpublish and publish it again. What cron says is meant
    in the workflow's time zone, else in `timezone`; where neither is set it is missed once it was due in all of them.
    Nothing is said of a workflow whose successes n8n is not known to save, or whose last run n8n may have deleted
    before it was seen. The API key needs the scopes workflow:list and workflow:read.
    """
    late, ran, planned = stopped_schedules(args, door, past)
    memory = {"ran": ran, "at": past.now.timestamp()}
    if not late:
        return Reading("", True, f"all {planned} schedules run", memory=memory)
    because = f"{len(late)} stopped: {name_some([words for _, words in late])}"
    critical = are_critical(workflow for workflow, _ in late)
    return Reading("", False, because, FailureType.SCHEDULE_MISSED, memory=memory, critical=critical)


def stopped_schedules(
    args: Args, door: N8nDoor, past: Past
) -> tuple[list[tuple[Mapping[str, Any], str]], dict[str, float], int]:
    """The workflows whose schedule has stopped, with why; when each ran last; and how many have a schedule."""
    published = heeded(door.published_workflows())
    planned = [(one, due) for one in published if (due := due_of(args, one, past.now))][:MOST_ASKED]
    seen, ran = _seen(args, past), dict[str, float]()
    late: list[tuple[Mapping[str, Any], str]] = []
    for workflow, (since, words) in planned:
        name = str(workflow.get("id"))
        last = _last_run(door, name, seen.get(name), since)
        if last:
            ran[name] = last
        if (last or 0) < since.timestamp() and _is_late(args, door, workflow, last, since, past.now):
            when = f"last ran {datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M} UTC" if last else "has no execution"
            late.append((workflow, f"{str(workflow.get('name'))[:80]} ({when}, {words})"))
    return late, ran, len(planned)


def _seen(args: Args, past: Past) -> dict[str, float]:
    """When each workflow was seen to have run last; nothing after a pause in which later runs may be gone unseen."""
    told, at = past.memory.get("ran"), known_seconds(past.memory.get("at"), past.now)
    if not isinstance(told, dict) or at is None or past.now.timestamp() - at >= args.max_age:
        return {}
    return {name: ran for name, one in told.items() if (ran := known_seconds(one, past.now)) is not None}


def _last_run(door: N8nDoor, workflow_id: str, known: float | None, since: datetime) -> float | None:
    """When it ran last, in seconds since 1970; n8n is asked only where the last run that is known is not enough."""
    if known is not None and known >= since.timestamp():
        return known
    ran = [_newest(door, workflow_id, status) for status in ("", "running")]
    return max((at for at in (known, *ran) if at is not None), default=None)


def _newest(door: N8nDoor, workflow_id: str, status: str) -> float | None:
    page, _ = door.executions(status, workflow_id, limit=1)
    began = read_aware(page[0].get("startedAt")) if page else None
    return began.timestamp() if began else None


def _is_late(
    args: Args, door: N8nDoor, workflow: Mapping[str, Any], last: float | None, since: datetime, now: datetime
) -> bool:
    """Whether a workflow of which no run is known since then has missed it."""
    changed = read_aware(workflow.get("updatedAt"))
    is_kept = last is not None or now - since < timedelta(seconds=args.max_age)
    if (changed and changed > since) or not is_kept:
        return False
    saved = settings_of(workflow).get("saveDataSuccessExecution")
    return saves_successes(door, str(workflow.get("id")), saved)


def due_of(args: Args, workflow: Mapping[str, Any], now: datetime) -> tuple[datetime, str] | None:
    """Since when it should have run, by the latest of its rules, and why, in words; None where it has no schedule."""
    told = settings_of(workflow).get("timezone")
    zone = told if isinstance(told, str) and told != "DEFAULT" else args.timezone
    try:
        zones = (zone_of(zone),) if zone else ZONES
    except ValueError:
        return None
    found = [_due(args, rule, zones, now) for rule in _rules(workflow)]
    return max((one for one in found if one), default=None)


def _rules(workflow: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for node in live_nodes(workflow):
        if node.get("type") != TRIGGER or node.get("disabled"):
            continue
        parameters = node.get("parameters")
        rule = parameters.get("rule") if isinstance(parameters, Mapping) else None
        intervals = rule.get("interval") if isinstance(rule, Mapping) else None
        yield from (one for one in (intervals if isinstance(intervals, list) else [{}]) if isinstance(one, Mapping))


def _due(args: Args, rule: Mapping[str, Any], zones: Sequence[tzinfo], now: datetime) -> tuple[datetime, str] | None:
    field = rule.get("field", "days")
    if field == "cronExpression":
        due = _cron_due(str(rule.get("expression", "")), zones, now - timedelta(seconds=args.grace))
        return (due - CLOCKS, f"was due at {due:%Y-%m-%d %H:%M} UTC") if due else None
    name, unit = INTERVALS.get(field, ("", 0))
    count = rule.get(name, USUAL.get(field, 1))
    seconds = float(count * unit) if isinstance(count, int) and 0 < count < 10_000 else 0.0
    allowed = timedelta(seconds=seconds * args.factor + args.grace)
    return (now - allowed, f"should every {timedelta(seconds=round(seconds))}") if seconds else None


def _cron_due(expression: str, zones: Sequence[tzinfo], until: datetime) -> datetime | None:
    """When it was due in each of the time zones since; None for what cannot be read. Seconds are left out."""
    fields = expression.split()
    fields = fields[1:] if len(fields) == 6 else fields
    anywhere = fields[1:] == ["*"] * 4  # every so many minutes: the same in all of them
    try:
        return min(last_due(" ".join(fields), until, zone) for zone in (zones[:1] if anywhere else zones))
    except ValueError:
        return None
