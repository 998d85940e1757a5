"""A job that tells of itself, and is missed when it does not: a dead man's switch."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from recovery.checks import check
from recovery.checks.cron import TimeZone, last_due, zone_of
from recovery.checks.remembering import known_time
from recovery.model import Doors, FailureType, Past, Reading
from recovery.model.durations import Duration
from recovery.model.moments import write_length

ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class Args(BaseModel):
    """When it should tell of itself."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra={"example": {"period": "1h"}}
    )

    period: Duration | None = Field(None, description="how often it tells of itself", examples=["1h"])
    cron: str = Field("", description="or when, as five fields of cron", examples=["0 3 * * *"], max_length=200)
    timezone: TimeZone = Field("UTC", description="in which time zone `cron` is meant", examples=["Asia/Seoul"])
    grace: Duration = Field(300.0, description="how late it may be, and with `cron` how long it may take")
    longest: Duration | None = Field(None, description="how long a run may take, where it tells of its start too")

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        try:
            if value:
                last_due(value if len(value.split()) == 5 else "", ANY_DAY)
        except ValueError:
            raise ValueError('write five fields of cron, such as "0 3 * * *" (each night at 3:00)') from None
        return value

    @model_validator(mode="after")
    def _says_when(self) -> "Args":
        if (self.period is None) == (not self.cron):
            raise ValueError("say when it is due: write `period` or `cron`, one of the two")
        return self


@check("heartbeat", remembers=True)
def look_for_heartbeat(args: Args, doors: Doors, past: Past) -> Reading:
    """Waits for a job's own word at `/webhooks/heartbeat/<component>`, and misses it when it does not come in time.

    Missed is `schedule_missed`, and so is a run that takes longer than `longest`; `/fail`, with whatever text, is
    `workflow_failed`. `/start` before the work lets the run's time be measured. A job that has never told of itself is
    missed once it should have, counted from the first look. What it may have told while n8n-medic itself could not hear
    is not known, and is not called missed.
    """
    seen = _judge(args, past)
    listening = known_time(past.beat.get("listening_since"), past.now)
    if seen.failure_type is not FailureType.SCHEDULE_MISSED or listening is None:
        return seen
    had_it_told = replace(past, beat={**past.beat, "success_at": listening.isoformat()})
    if not _judge(args, had_it_told).healthy:
        return seen
    because = f"could not be heard before {listening:%Y-%m-%d %H:%M} UTC: it may have told of itself"
    return Reading("", None, because, memory=seen.memory)


def _judge(args: Args, past: Past) -> Reading:
    beat = past.beat
    done, failed, began = (known_time(beat.get(word), past.now) for word in ("success_at", "fail_at", "start_at"))
    since = known_time(past.memory.get("since"), past.now) or past.now
    memory = {"since": since.isoformat()}
    last = max(filter(None, (done, failed)), default=None)
    if failed and (done is None or failed > done):
        because = f"its last run failed: {beat.get('message') or 'it did not say why'}"[:500]
        return Reading("", False, because, FailureType.WORKFLOW_FAILED, certain=True, memory=memory)
    if args.longest is not None and began and (last is None or began > last):
        runs = past.now - began
        if runs > timedelta(seconds=args.longest):
            because = (
                f"its run has taken {write_length(runs)}, longer than {write_length(timedelta(seconds=args.longest))}"
            )
            return Reading("", False, because, FailureType.SCHEDULE_MISSED, certain=True, memory=memory)
    due = _due(args, last or since, past.now)
    if due is not None:
        when = f"the last was {last:%Y-%m-%d %H:%M} UTC" if last else "it has never told of itself"
        because = f"no heartbeat since it was due at {due:%Y-%m-%d %H:%M} UTC: {when}"
        return Reading("", False, because, FailureType.SCHEDULE_MISSED, certain=True, memory=memory)
    took = beat.get("took_seconds")
    words = f", its run took {took:g} s" if isinstance(took, int | float) else ""
    because = (
        f"its last heartbeat was {last:%Y-%m-%d %H:%M} UTC{words}" if last else "its first heartbeat is not due yet"
    )
    return Reading("", True, because, memory=memory)


def _due(args: Args, last: datetime, now: datetime) -> datetime | None:
    """When it was due and did not come; None where it is not late."""
    grace = timedelta(seconds=args.grace)
    if args.period is not None:
        due = last + timedelta(seconds=args.period)
        return due if now > due + grace else None
    due = last_due(args.cron, now - grace, zone_of(args.timezone))
    return due if last < due else None
