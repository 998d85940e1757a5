"""The queue of an n8n in queue mode, when its workers have stopped."""

import zlib
from dataclasses import dataclass
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from recovery.checks import check
from recovery.checks.asking_n8n import asking_n8n
from recovery.checks.executions import number_of
from recovery.checks.naming import length
from recovery.checks.remembering import held_seconds
from recovery.model import FailureType, N8nDoor, N8nNumbers, Past, Reading
from recovery.model.durations import Duration

GAUGE = "scaling_mode_queue_jobs_"
NEXT_IDS = 5


class Args(BaseModel):
    """How long nothing may move."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)
    after: Duration = Field(
        300.0, description="executions wait, no worker has one, and for this long nothing moved", examples=["2m"]
    )
    busy_after: Duration = Field(
        1_800.0, description="the same where workers seem to have some: killed ones seem so for ever", examples=["1h"]
    )


@dataclass(frozen=True, slots=True)
class _Queue:
    """How many wait and how many are worked on; `mark` is another whenever something moved."""

    waiting: int
    active: int
    mark: str
    source: str


@check("n8n_queue", remembers=True)
@asking_n8n
def look_at_queue(args: Args, door: N8nDoor, past: Past) -> Reading:
    """Compares the queue with the last looks: executions that wait while none begins and none ends is `queue_stalled`.

    The numbers are those of n8n's `/metrics`, which need N8N_METRICS and N8N_METRICS_INCLUDE_QUEUE_METRICS, both true.
    Without them n8n does not list what waits in its queue: then the ids after the newest execution that it lists are
    asked for, one by one, and are not counted beyond 5. With several main processes behind one address use the
    metrics of one of them, or none.
    """
    queue = _from_metrics(door.numbers()) or _from_api(door)
    since: dict[str, float] = dict(past.memory.get("since") or {}) if past.memory.get("mark") == queue.mark else {}
    still = held_seconds(since, "still", queue.waiting > 0, past.now)
    memory = {"mark": queue.mark, "since": since}
    told = f"{queue.waiting} wait in the queue and {queue.active} are worked on, as n8n's {queue.source}"
    if still is None or still < (args.busy_after if queue.active else args.after):
        return Reading("", True, told, memory=memory)
    why = "its workers may have been killed" if queue.active else "no worker takes them"
    because = f"{told}; nothing moved for {length(timedelta(seconds=still))}: {why}"
    return Reading("", False, because, FailureType.QUEUE_STALLED, memory=memory)


def _from_metrics(numbers: N8nNumbers) -> _Queue | None:
    """What Redis holds, as n8n tells; None where n8n does not tell, or has no queue."""
    found = {name: numbers.values.get(GAUGE + name) for name in ("waiting", "active", "completed", "failed")}
    waiting, active = found["waiting"], found["active"]
    if waiting is None or active is None:
        return None
    mark = f"metrics {active:g} {found['completed'] or 0:.0f} {found['failed'] or 0:.0f}"
    return _Queue(int(waiting), int(active), mark, "metrics tell")


def _from_api(door: N8nDoor) -> _Queue:
    listed, running = door.executions(limit=250)[0], door.executions("running", limit=250)[0]
    queued = {number for one in door.executions("new", limit=250)[0] if (number := number_of(one))}
    newest = max((number for one in (*listed, *running) if (number := number_of(one))), default=0)
    for number in range(newest + 1, newest + 1 + NEXT_IDS):
        one = door.execution(str(number))
        if one and one.get("status") == "new":
            queued.add(number)
    at_work = zlib.crc32(" ".join(sorted(str(one.get("id")) for one in running)).encode())
    return _Queue(len(queued), len(running), f"api {min(queued, default=0)} {at_work}", "API tells")
