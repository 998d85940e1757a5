"""A component that is known from what is pushed of it, by an agent or a workflow: its silence is a failure."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from recovery.checks import check
from recovery.checks.remembering import known_time
from recovery.model import Doors, FailureType, Past, Reading
from recovery.model.durations import Period, write_duration
from recovery.model.moments import write_length


class Args(BaseModel):
    """How long it may be silent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    silent_after: Period = Field(120.0, description="not heard of for this long, it has failed", examples=["5m"])


@check("pushed", remembers=True, hears=True)
async def look_for_silence(args: Args, doors: Doors, past: Past) -> Reading:
    """Waits to be told of the component, at `/webhooks/probe` or by a monitor, and misses it when nothing comes.

    Silence is `server_unresponsive`. What is pushed says the rest: a bad reading is a failure, and a good one ends it,
    the silence too. A component that was never heard of is missed after `silent_after`, counted from the first look;
    the time in which n8n-medic itself was away does not count. As it only hears, it confirms nothing: a `restart`
    needs `trust_probes: true`.
    """
    told = [known_time(past.beat.get(name), past.now) for name in ("heard_at", "listening_since")]
    first = known_time(past.memory.get("since"), past.now) or past.now
    quiet = past.now - max(filter(None, told), default=first)
    memory = {"since": first.isoformat()}
    if quiet < timedelta(seconds=args.silent_after):
        because = f"heard of {write_length(quiet)} ago" if told[0] else "waits to be told of it"
        return Reading("", None, because, memory=memory)
    last = f"the last word came at {told[0]:%Y-%m-%d %H:%M:%S} UTC" if told[0] else "it has never been told of"
    because = f"nothing was heard of it for {write_length(quiet)} (limit {write_duration(args.silent_after)}): {last}"
    return Reading("", False, because, FailureType.SERVER_UNRESPONSIVE, certain=True, memory=memory)
