"""Executions of an n8n that run for ever, and are stopped."""

from typing import Annotated

from pydantic import Field, StrictInt, field_validator

from recovery.actions import action
from recovery.checks.asking_n8n import find_n8n
from recovery.checks.n8n_stuck import Limits, find_stuck, name_stuck
from recovery.checks.naming import name_some
from recovery.model import About, Done, DoorError, Doors, Failed, NotNeeded, Result

SHORTEST_SECONDS = 60.0

WorkflowId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Args(Limits):
    """Which executions are stopped; without `workflows` the same that the check `n8n_stuck` finds."""

    workflows: tuple[WorkflowId, ...] = Field(
        (), description="ids of workflows, to stop only theirs; `[]`: of all", examples=[["dXqfEcvX2ULoQmH5"]]
    )
    most: Annotated[StrictInt, Field(ge=1, le=100)] = Field(
        5, description="how many are stopped at most in one run, those that run longest first"
    )

    @field_validator("longer_than", "at_least")
    @classmethod
    def _long(cls, seconds: float) -> float:
        if seconds < SHORTEST_SECONDS:
            raise ValueError("must be at least 1m: a healthy execution may run as long")
        return seconds


def _plan(args: Args, doors: Doors, about: About) -> list[tuple[str, str]]:
    """(id, in words) of each execution to be stopped."""
    _, in_time = find_n8n(args.site, doors)
    found, _ = find_stuck(args, in_time, about.now)
    wanted = [one for one in found if not args.workflows or one[0].get("workflowId") in args.workflows]
    return [(str(one["id"]), name_stuck(one, began, about.now)) for one, began in wanted[: args.most]]


def preview(args: Args, doors: Doors, about: About) -> str:
    """The very executions that it would stop."""
    plan = _plan(args, doors, about)
    return f"stop execution {name_some([words for _, words in plan], args.most)}" if plan else "stop no execution"


@action("stop_execution", safe_to_repeat=True, preview=preview)
def stop_execution(args: Args, doors: Doors, about: About) -> Result:
    """Stops the executions of an n8n that run too long, as n8n's own button does; they are `canceled` then.

    Too long is what the check `n8n_stuck` says with the same keys: longer than `longer_than`, or `factor` times as long
    as the workflow's usual runs, and never less than `at_least`. Runs by hand are left alone, and so are waiting ones.
    What a stopped run has done stays done, and nobody runs its rest again: `canceled` is no failure, for n8n or for us.
    One that ends by itself meanwhile is left as it is. It needs an API key with the scopes execution:list and
    execution:stop. It is safe to repeat: after a crash of the worker it looks anew, and what was stopped runs no more.
    """
    stopped: list[str] = []
    over: list[str] = []
    try:
        door, _ = find_n8n(args.site, doors)
        plan = _plan(args, doors, about)
        for execution_id, words in plan:
            (stopped if door.stop(execution_id) else over).append(words)
    except DoorError as problem:
        done = f"; it had stopped execution {name_some(stopped, args.most)}" if stopped else ""
        return Failed(f"{problem}{done}", problem.permanent)
    if not stopped:
        return NotNeeded("no execution is stuck" if not plan else f"execution {name_some(over)} ended by itself")
    rest = f"; {name_some(over)} ended by itself" if over else ""
    return Done(f"stopped execution {name_some(stopped, args.most)}{rest}")
