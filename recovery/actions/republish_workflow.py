"""Workflows of an n8n that are published, and whose webhook or schedule n8n has lost."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from recovery.actions import action
from recovery.checks import n8n_schedules
from recovery.checks.asking_n8n import find_n8n
from recovery.checks.workflows import Hook, missing_webhooks, webhooks_of
from recovery.model import About, Done, DoorError, Doors, Failed, FailureType, N8nDoor, NotNeeded, Past, Result
from recovery.model.durations import Timeout

WorkflowId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Args(BaseModel):
    """Which workflows."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)
    workflows: tuple[WorkflowId, ...] = Field(
        (),
        description="their ids; `[]`: those that are found broken, by their schedules where the incident is a "
        "`schedule_missed`, else by their webhooks",
        examples=[["dXqfEcvX2ULoQmH5"]],
    )
    most: Annotated[StrictInt, Field(ge=1, le=50)] = Field(5, description="how many at most in one run")
    timeout: Timeout = Field(10.0, description="how long each webhook may take until it answers", examples=["30s"])


@dataclass(frozen=True, slots=True)
class _Live:
    """A published workflow: which version is live, and the webhooks of that version."""

    id: str
    name: str
    version: str
    hooks: tuple[Hook, ...]


def _wanted(args: Args, doors: Doors, about: About) -> list[str]:
    """The ids of the workflows to be published again, each once."""
    if args.workflows:
        return list(dict.fromkeys(args.workflows))[: args.most]
    _, in_time = find_n8n(args.site, doors)
    if about.failure_type is FailureType.SCHEDULE_MISSED:
        late, _, _ = n8n_schedules.stopped_schedules(n8n_schedules.Args.model_validate({}), in_time, Past(about.now))
        found = [workflow for workflow, _ in late]
    else:
        found = [workflow for workflow, _ in missing_webhooks(in_time)[0]]
    return list(dict.fromkeys(str(one.get("id")) for one in found))[: args.most]


def _live(door: N8nDoor, workflow_id: str) -> _Live:
    found = door.workflow(workflow_id)
    if found is None:
        raise DoorError(f"n8n has no workflow {workflow_id}", "not_found", permanent=True)
    name, version = str(found.get("name"))[:80], found.get("activeVersionId")
    if not found.get("active"):
        raise DoorError(f"{name} is not published, and only a person can say whether it should be", permanent=True)
    if not isinstance(version, str) or not version:
        raise DoorError(f"this n8n does not say which version of {name} is live: update n8n", "too_old", True)
    return _Live(workflow_id, name, version, tuple(webhooks_of(found)))


def preview(args: Args, doors: Doors, about: About) -> str:
    """The very workflows and versions that it would publish."""
    door, _ = find_n8n(args.site, doors)
    plan = [_live(door, one) for one in _wanted(args, doors, about)]
    told = [f"{one.name} ({one.id}, its live version {one.version})" for one in plan]
    return f"publish again {', '.join(told)}" if told else "publish nothing again, because nothing is found missing"


@action("republish_workflow", safe_to_repeat=True, preview=preview)
def republish_workflow(args: Args, doors: Doors, about: About) -> Result:
    """Lets n8n take a published workflow down and publish the same version again, which registers it anew.

    It is the version that is live, by its name: a draft that somebody has saved beside it stays a draft. A workflow
    that is not published is left alone, and a person is called. n8n does both in one call, so that a crash of ours
    leaves none unpublished. Then each webhook of the version is asked for, without running anything, until it answers
    or `timeout` is over. That a schedule lives is first known from n8n, which refuses where it cannot start it, and
    then from its next run, which the check `n8n_schedules` looks for. Where n8n cannot start the workflow it
    unpublishes it by itself; the failure says so, with the version. It needs an API key with the scopes workflow:list,
    workflow:read and workflow:activate (and execution:list for schedules), and an n8n that knows versions. It is safe
    to repeat: a second run publishes the same version once more.
    """
    done: list[str] = []
    try:
        door, _ = find_n8n(args.site, doors)
        for workflow_id in _wanted(args, doors, about):
            done.append(_republish(args, door, _live(door, workflow_id)))
    except DoorError as problem:
        return Failed("; ".join([*done, str(problem)]), problem.permanent)
    if not done:
        return NotNeeded("nothing of what is published is found missing")
    return Done("; ".join(done))


def _republish(args: Args, door: N8nDoor, live: _Live) -> str:
    try:
        published = door.publish(live.id, live.version)
    except DoorError as problem:
        raise DoorError(f"{live.name}: {problem}{_aftermath(door, live)}", problem.kind, problem.permanent) from None
    if published.get("activeVersionId") != live.version:
        raise DoorError(f"n8n did not publish version {live.version} of {live.name}: look at it", permanent=True)
    missing = next((hook for hook in live.hooks if not door.await_webhook(hook[1], hook[0], args.timeout)), None)
    if missing:
        said = f"n8n still does not register its webhook {missing[0]} {missing[1]}"
        raise DoorError(f"published {live.name} again, and {said} after {args.timeout:g} s")
    answers = f"; {len(live.hooks)} webhooks answer" if live.hooks else ""
    return f"published version {live.version} of {live.name} again{answers}"


def _aftermath(door: N8nDoor, live: _Live) -> str:
    """What a refusal has left behind, where that is worse than before."""
    try:
        after = door.workflow(live.id)
    except DoorError:
        return ""
    if after is None or after.get("active"):
        return ""
    return f"; n8n has unpublished it, so publish its version {live.version} by hand"
