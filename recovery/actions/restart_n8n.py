"""An n8n itself, restarted the way it is run on its machine, and waited for until it is ready."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, model_validator

from recovery.actions import action, restart_by_agent, restart_container, restart_remote, restart_service, run_command
from recovery.checks.asking_n8n import find_n8n
from recovery.checks.naming import name_some
from recovery.model import About, Done, DoorError, Doors, Failed, N8nDoor, Result
from recovery.model.durations import Timeout

SHOWN = 5

EXAMPLE: dict[str, Any] = {"service": {"service": "n8n.service"}}
WAYS = {
    "service": restart_service,
    "container": restart_container,
    "command": run_command,
    "remote": restart_remote,
    "agent": restart_by_agent,
}


def _as_command(value: Any) -> Any:
    return {"command": value} if isinstance(value, list) else value


class Args(BaseModel):
    """Which n8n, and how it is run; exactly one of the five ways."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra={"example": EXAMPLE}
    )

    site: str = Field("default", description="the name of an n8n of the configuration", max_length=40)
    service: restart_service.Args | None = Field(
        None,
        description="a unit of systemd or a program under supervisor: the keys of [restart_service](#restart_service)",
    )
    container: restart_container.Args | None = Field(
        None,
        description="a Docker container or a service of compose: the keys of [restart_container](#restart_container)",
    )
    command: Annotated[run_command.Args | None, BeforeValidator(_as_command)] = Field(
        None, description="a command on this machine: its words, or the keys of [run_command](#run_command)"
    )
    remote: restart_remote.Args | None = Field(
        None, description="a command over ssh: the keys of [restart_remote](#restart_remote)"
    )
    agent: restart_by_agent.Args | None = Field(
        None, description="what a `medic agent` restarts: the keys of [restart_by_agent](#restart_by_agent)"
    )
    spare_running: StrictBool = Field(
        False, description="leave it alone while n8n says that executions run: the next stage tries again"
    )
    timeout: Timeout = Field(
        240.0, description="how long the restart and n8n's start may take together, until it is ready", examples=["10m"]
    )

    @model_validator(mode="after")
    def _says_how(self) -> "Args":
        if sum(getattr(self, way) is not None for way in WAYS) != 1:
            raise ValueError(f"say how n8n is run: give exactly one of {', '.join(f'`{way}`' for way in WAYS)}")
        if self.way[1].timeout >= self.timeout:
            raise ValueError("`timeout` must be longer than that of its way, for n8n starts after it")
        return self

    @property
    def way(self) -> tuple[Any, Any]:
        """The action that restarts it, and its arguments."""
        name = next(way for way in WAYS if getattr(self, way) is not None)
        return WAYS[name], getattr(self, name)


def preview(args: Args, doors: Doors, about: About) -> str:
    """What its way would do, how n8n is waited for, and what runs in it now."""
    runs = _running_now(args, doors)
    if args.spare_running and runs:
        return f"do nothing: {_told(runs)}"
    module, own = args.way
    wait = "" if args.agent else f"; then wait until n8n is ready, for at most {args.timeout:g} s in all"
    told = "" if runs is None else f"; {_told(runs)}"
    return f"{module.preview(own, doors, about)}{wait}{told}"


@action("restart_n8n", safe_to_repeat=True, restarts=True, preview=preview)
def restart_n8n(args: Args, doors: Doors, about: About) -> Result:
    """Restarts an n8n the way it is run, and waits until it says that it is ready (`/healthz/readiness`).

    How it is run is written once: a unit of systemd or a program under supervisor (`service`), a Docker container or a
    service of compose (`container`), a `command`, a command over ssh (`remote`), or a name that a `medic agent` knows
    (`agent`). Each does exactly what the action of that name does, with its keys, rights and failures.

    Asked to stop, n8n takes no more work and gives what runs 30 seconds (`N8N_GRACEFUL_SHUTDOWN_TIMEOUT`); what still
    runs then is cut off, and is `crashed` after the start. It is found and retried like any other failure, and what may
    repeat an effect asks a person. So it asks n8n first what runs, and names it; with `spare_running: true` it leaves
    n8n alone as long as n8n says that something runs, and fails, so that the next attempt tries again. An n8n that does
    not answer tells nothing, and is restarted. Give the way as much time to stop as n8n takes: Docker ends a container
    after 10 seconds unless `stop_timeout` says otherwise.

    Done means that n8n is ready. One that is not within `timeout` is a failure, and goes on starting. Where an agent
    restarts it, its answer ends the step, and n8n is looked at by the component's check: use the check `n8n`. It is
    safe to repeat: a worker that is killed in the middle leaves an n8n that is stopped, starting or started, and a
    second restart ends in the same state, after one more interruption at the worst.
    """
    module, own = args.way
    try:
        door = find_n8n(args.site, doors)[0]
        runs = _running(door)
        if args.spare_running and runs:
            return Failed(f"n8n is left alone: {_told(runs)}")
        answer: Result = getattr(module, module.__name__.rpartition(".")[2])(own, doors, about)
        if not isinstance(answer, Done):
            return answer
        unready = door.await_ready(args.timeout - own.timeout)
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)
    if unready:
        return Failed(f"n8n was restarted, and was not ready in time: {unready}; {_told(runs, 'before it')}")
    return Done(f"n8n was restarted, and is ready; {_told(runs, 'before it')}")


def _running_now(args: Args, doors: Doors) -> list[str] | None:
    """The same, or None where nothing may be looked at. Raises DoorError where there is no such n8n."""
    try:
        return _running(find_n8n(args.site, doors)[0])
    except DoorError as problem:
        if problem.permanent:
            raise
        return None


def _running(door: N8nDoor) -> list[str] | None:
    """What runs in it, in words; None where it does not say."""
    try:
        found, _ = door.executions(status="running")
    except DoorError:
        return None
    return [f"{one.get('id')} of workflow {one.get('workflowId')}" for one in found]


def _told(runs: list[str] | None, when: str = "now") -> str:
    if runs is None:
        return f"what ran {when} is not known"
    verb = "runs" if when == "now" else "ran"
    return f"execution {name_some(runs, SHOWN)} {verb} {when}" if runs else f"nothing {verb} {when}"
