"""A systemd unit that must be active."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from recovery.checks import check
from recovery.checks.remembering import Growth
from recovery.model import DoorError, Doors, FailureType, Past, Reading
from recovery.model.durations import Period, Timeout, write_duration

PROPERTIES = "LoadState,ActiveState,SubState,NRestarts,Result"
WORKING = ("active", "reloading", "refreshing")


class Args(BaseModel):
    """Which unit, and how many restarts are a loop."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    unit: str = Field(
        description="the unit's name", examples=["n8n.service"], pattern=r"^[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]{0,254}$"
    )
    user: StrictBool = Field(False, description="a unit of the worker's own user instead of the system")
    restarts: Annotated[StrictInt, Field(ge=1, le=1000)] = Field(
        3, description="more restarts than this, within `within`, are a loop"
    )
    within: Period = Field(600.0, description="how long restarts are counted", examples=["30m"])
    timeout: Timeout = Field(5.0, description="how long systemd's answer may take", examples=["10s"])


@check("systemd", remembers=True, every_seconds=30)
def look_at_unit(args: Args, doors: Doors, past: Past) -> Reading:
    """Asks systemd (`systemctl show`) for a unit; one that is active and does not restart in a loop is healthy.

    A unit that failed, that is not active, that is still starting or waits for its next restart, and one that systemd
    does not know are `server_unresponsive`; so is a systemd that does not answer. A unit that ended because the
    machine had no memory left is `resource_exhausted`. Restarts are those that systemd made by itself (`Restart=`).
    """
    command = ["systemctl", *(["--user"] if args.user else []), "show", f"--property={PROPERTIES}", "--", args.unit]
    try:
        answer = doors.shell.run(command, timeout_seconds=args.timeout)
    except DoorError as problem:
        return Reading("", False, str(problem), FailureType.SERVER_UNRESPONSIVE)
    told = dict(re.findall(r"^(\w+)=(.*)$", answer.output, re.MULTILINE))
    if answer.timed_out or answer.code or not told.get("ActiveState"):
        said = (
            f"did not answer within {args.timeout:g} s" if answer.timed_out else " ".join(answer.output.split())[:200]
        )
        return Reading("", False, f"systemctl: {said or 'no answer'}", FailureType.SERVER_UNRESPONSIVE)
    return _judged(args, told, past)


def _judged(args: Args, told: dict[str, str], past: Past) -> Reading:
    count = int(told["NRestarts"]) if told.get("NRestarts", "").isdigit() else 0
    growth = Growth(past.memory.get("restarts"), count, past.now, args.within)
    said = [_what_is_wrong(args.unit, told)]
    if growth.total > args.restarts:
        within = write_duration(args.within)
        said.append(f"restarts in a loop: {growth.total} times within {within} (limit {args.restarts})")
    wrong = "; ".join(filter(None, said))
    exhausted = told.get("Result") == "oom-kill"
    failure = FailureType.RESOURCE_EXHAUSTED if exhausted else FailureType.SERVER_UNRESPONSIVE
    return Reading(
        component="",
        healthy=not wrong,
        because=wrong or f"is {told['ActiveState']} ({told.get('SubState', '')})",
        failure_type=failure if wrong else None,
        certain=told["ActiveState"] == "failed",  # an inactive one may be on its way through a restart
        memory={"restarts": growth.memory},
    )


def _what_is_wrong(unit: str, told: dict[str, str]) -> str:
    active, sub, result = told["ActiveState"], told.get("SubState", ""), told.get("Result", "")
    if told.get("LoadState") == "not-found":
        return f"systemd knows no unit {unit}"
    if active in WORKING:
        return ""
    if sub.startswith("auto-restart"):
        return f"waits to be restarted after {result or 'a failure'}"
    if active == "activating":
        return f"is still starting ({sub})"
    return f"is {active}" + (f": {result}" if result and result != "success" else "")
