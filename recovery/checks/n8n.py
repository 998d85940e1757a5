"""An n8n itself: ready, and its API key good."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from recovery.checks import check
from recovery.checks.unconfigured import no_n8n
from recovery.model import DoorError, Doors, FailureType, Past, Reading

REFUSED = {"auth": FailureType.CREDENTIAL_EXPIRED, "forbidden": FailureType.CREDENTIAL_EXPIRED}
DAY_SECONDS = 86_400


class Args(BaseModel):
    """Which n8n, and how long before its key's end people are told."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)
    key_days: Annotated[StrictInt, Field(ge=0, le=365)] = Field(
        7, description="so many days before the API key ends it fails; 0: never"
    )


@check("n8n", remembers=True)
def look_at_n8n(args: Args, doors: Doors, past: Past) -> Reading:
    """Asks n8n whether it is ready, which a dead database or a full connection pool denies, and uses the API key once.

    Not ready, or not there, is `n8n_unready`; a key that is refused, lacks a scope or is about to end is
    `credential_expired`, and calls a person at once. `/healthz` is not asked: it says yes while the database is dead.
    """
    try:
        door = doors.n8n(args.site)
        if door is None:
            return no_n8n(args.site)
        if unready := door.ready():
            return Reading("", False, unready, FailureType.N8N_UNREADY)
        door.executions(limit=1)
        ends = door.key_ends()
    except DoorError as problem:
        failure = REFUSED.get(problem.kind, FailureType.N8N_UNREADY)
        return Reading("", False, str(problem), failure, permanent=problem.kind in REFUSED)
    left = (ends - past.now).total_seconds() / DAY_SECONDS if ends else None
    if left is not None and args.key_days and left < args.key_days:
        because = f"n8n's API key ends on {ends:%Y-%m-%d}, in {left:.0f} days: make a new one"
        return Reading("", False, because, FailureType.CREDENTIAL_EXPIRED, permanent=True)
    return Reading("", True, "it is ready, and takes the API key")
