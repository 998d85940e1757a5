"""An n8n itself: ready, and its API key good."""

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from recovery.checks import check
from recovery.checks.asking_n8n import NO_ANSWER, asking_n8n
from recovery.checks.remembering import held_seconds
from recovery.model import DoorError, FailureType, N8nDoor, N8nNumbers, Past, Reading
from recovery.model.durations import Duration

REFUSED = {"auth": FailureType.CREDENTIAL_EXPIRED, "forbidden": FailureType.CREDENTIAL_EXPIRED}
DAY_SECONDS = 86_400


class Args(BaseModel):
    """Which n8n, and how long before its key's end people are told."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)
    key_days: Annotated[StrictInt, Field(ge=0, le=365)] = Field(
        7, description="so many days before the API key ends it fails; 0: never"
    )
    pool_full: Duration = Field(60.0, description="so long no connection to its database may be free")


@check("n8n", remembers=True, every_seconds=30)
@asking_n8n
def look_at_n8n(args: Args, door: N8nDoor, past: Past) -> Reading:
    """Asks n8n whether it is ready, which a dead database or a full connection pool denies, and uses the API key once.

    Not ready, or not there, is `n8n_unready`; a key that is refused, lacks a scope or is about to end is
    `credential_expired`, and calls a person at once. `/healthz` is not asked: it says yes while the database is dead.
    Where n8n's `/metrics` are on, the reading names its version; with N8N_METRICS_INCLUDE_DB_POOL_METRICS a pool of
    database connections that is full for `pool_full`, with requests that wait, is `n8n_unready` too.
    """
    try:
        if unready := door.readiness():
            return Reading("", False, unready, FailureType.N8N_UNREADY)
        door.executions(limit=1)
        ends, numbers = door.key_ends(), _numbers(door)
    except DoorError as problem:
        if problem.kind in NO_ANSWER:
            raise
        failure = REFUSED.get(problem.kind, FailureType.N8N_UNREADY)
        return Reading("", False, str(problem), failure, permanent=problem.kind in REFUSED)
    if ends and args.key_days and (left := (ends - past.now).total_seconds() / DAY_SECONDS) < args.key_days:
        because = f"n8n's API key ends on {ends:%Y-%m-%d}, in {left:.0f} days: make a new one"
        return Reading("", False, because, FailureType.CREDENTIAL_EXPIRED, permanent=True)
    since: dict[str, float] = dict(past.memory.get("since") or {})
    if full := _full_pool(args, numbers, since, past):
        return Reading("", False, full, FailureType.N8N_UNREADY, memory={"since": since})
    name = f"n8n {numbers.version}" if numbers.version else "it"
    return Reading("", True, f"{name} is ready, and takes the API key", memory={"since": since})


def _numbers(door: N8nDoor) -> N8nNumbers:
    """Nothing where they do not come: an n8n whose metrics are slow is ready all the same."""
    try:
        return door.numbers()
    except DoorError:
        return N8nNumbers()


def _full_pool(args: Args, numbers: N8nNumbers, since: dict[str, float], past: Past) -> str:
    """What is wrong with n8n's connections to its database; "" for nothing, and where n8n does not tell of them."""
    found = [numbers.values.get(f"db_pool_{name}") for name in ("requests_pending", "connections_active")]
    most, (pending, active) = numbers.values.get("db_pool_connections_max") or math.inf, (one or 0.0 for one in found)
    held = held_seconds(since, "pool", pending > 0 and active >= most, past.now)
    if held is None or held < args.pool_full:
        return ""
    return f"all {active:.0f} connections to its database are in use, and {pending:.0f} requests wait for one"
