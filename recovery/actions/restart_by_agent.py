"""A restart that `medic agent` carries out on its own machine, where ssh is not wanted."""

from pydantic import BaseModel, ConfigDict, Field

from recovery.actions import action
from recovery.model import About, Asked, Doors, Result
from recovery.model.durations import Timeout


class Args(BaseModel):
    """Whom to ask, and for what."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    agent: str = Field(
        description="its name under `agents` in this configuration", examples=["web1"], min_length=1, max_length=200
    )
    what: str = Field(
        description="what to restart, as the agent's own `restarts` call it",
        examples=["orders"],
        min_length=1,
        max_length=100,
    )
    timeout: Timeout = Field(
        120.0, description="how long it may take from asking to the agent's answer", examples=["5m"]
    )


def preview(args: Args, doors: Doors, about: About) -> str:
    """Exactly what the agent would be asked."""
    return (
        f"ask the agent {args.agent} to restart {args.what!r}, which is written out in its own configuration,"
        f" and wait for its answer for at most {args.timeout:g} s"
    )


@action("restart_by_agent", safe_to_repeat=True, restarts=True, preview=preview)
def restart_by_agent(args: Args, doors: Doors, about: About) -> Result:
    """Asks a `medic agent` on another machine to restart something there, and waits for its answer.

    No command ever travels: the agent is told a name, and what that name means (a systemd unit, or a program with its
    arguments) is written in a file on its own machine, `medic agent --restarts FILE`; what is not in it is refused.
    The agent asks for work every few seconds, so that it may stand behind a firewall or NAT, and it shows a token of
    its own (`agents`): the webhook token can neither read nor answer a request.
    [monitors.md](monitors.md#restart-through-the-agent) shows how it is set up.

    Exit code 0 is done, any other a failure, with the last of what the command said. An agent that is silent, or that
    may not restart what it is asked for, fails the step at once, and says so. What it has not taken is withdrawn when
    the time is over, or when the recovery ends, and never runs.

    A request is carried out at most once. The agent writes down what it is about to do before it does it: where it is
    killed in the middle, or its answer does not come in time, nobody knows whether the restart happened. Then nothing
    is repeated, the step is `unknown`, and a person is called. It is safe to repeat for the worker: however often the
    step is begun, the agent is asked once.
    """
    return Asked(args.agent, args.what, args.timeout)
