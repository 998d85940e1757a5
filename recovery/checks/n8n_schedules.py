"""Schedules of published workflows that have silently stopped."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from cronsim import CronSim, CronSimError
from pydantic import BaseModel, ConfigDict, Field

from recovery.checks import check
from recovery.checks.asking_n8n import asking_n8n
from recovery.checks.naming import name_some
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
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)  # any will do: only the time between runs is wanted


class Args(BaseModel):
    """Which n8n, and how late a schedule may be."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)
    factor: Annotated[float, Field(ge=1.1, le=100)] = Field(
        1.5, description="a schedule has stopped where nothing ran for this many times its period"
    )
    grace: Duration = Field(300.0, description="and for this long beyond it")


@check("n8n_schedules", remembers=True)
@asking_n8n
def look_for_schedules(args: Args, door: N8nDoor, past: Past) -> Reading:
    """Compares each published workflow's Schedule Trigger with its last execution.

    One that should have run and did not is `schedule_missed`: unpublish and publish it again. A workflow that does not
    save its successes cannot be told from one that stopped, and is not looked at. The API key needs the scope
    workflow:list.
    """
    planned = [(one, period) for one in door.published_workflows() if (period := period_of(one))][:MOST_ASKED]
    late = [told for one, period in planned if (told := _lateness(args, door, one, period, past.now))]
    if not late:
        return Reading("", True, f"all {len(planned)} schedules run")
    because = f"{len(late)} stopped: {name_some(late)}"
    return Reading("", False, because, FailureType.SCHEDULE_MISSED)


def _lateness(args: Args, door: N8nDoor, workflow: Mapping[str, Any], period: float, now: datetime) -> str:
    """What is late, in words; "" where nothing is."""
    settings = workflow.get("settings")
    if isinstance(settings, Mapping) and settings.get("saveDataSuccessExecution") == "none":
        return ""
    allowed = timedelta(seconds=period * args.factor + args.grace)
    changed = read_aware(workflow.get("updatedAt"))
    if changed and now - changed < allowed:
        return ""
    ran = [_newest(door, str(workflow.get("id")), status) for status in ("", "running")]
    last = max((at for at in ran if at), default=None)
    if last and now - last <= allowed:
        return ""
    when = f"last ran {last:%Y-%m-%d %H:%M} UTC" if last else "has no execution"
    return f"{str(workflow.get('name'))[:80]} ({when}, should every {timedelta(seconds=round(period))})"


def _newest(door: N8nDoor, workflow_id: str, status: str) -> datetime | None:
    page, _ = door.executions(status, workflow_id, limit=1)
    return read_aware(page[0].get("startedAt")) if page else None


def period_of(workflow: Mapping[str, Any]) -> float:
    """The seconds between two runs of a workflow's most frequent schedule; 0 where it has none."""
    return min(_periods(workflow), default=0.0)


def _periods(workflow: Mapping[str, Any]) -> Iterator[float]:
    for node in workflow.get("nodes") or ():
        if not isinstance(node, Mapping) or node.get("type") != TRIGGER or node.get("disabled"):
            continue
        parameters = node.get("parameters")
        rule = parameters.get("rule") if isinstance(parameters, Mapping) else None
        intervals = rule.get("interval") if isinstance(rule, Mapping) else None
        for one in intervals if isinstance(intervals, list) else [{}]:
            if isinstance(one, Mapping) and (seconds := _seconds_of(one)):
                yield seconds


def _seconds_of(interval: Mapping[str, Any]) -> float:
    field = interval.get("field", "days")
    if field == "cronExpression":
        return _cron_seconds(str(interval.get("expression", "")))
    name, unit = INTERVALS.get(field, ("", 0))
    count = interval.get(name, USUAL.get(field, 1))
    return float(count * unit) if isinstance(count, int) and 0 < count < 10_000 else 0.0


def _cron_seconds(expression: str) -> float:
    """The longest time between two runs within the next weeks; 0 for one that cannot be read."""
    fields = expression.split()
    try:
        runs = CronSim(" ".join(fields[-5:] if len(fields) == 6 else fields), BEGIN)
        times = [next(runs) for _ in range(50)]
    except (CronSimError, StopIteration):
        return 0.0
    return max((later - earlier).total_seconds() for earlier, later in zip(times, times[1:], strict=False))
