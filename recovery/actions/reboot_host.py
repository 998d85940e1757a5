"""A whole server, restarted from outside: by its management controller, or by a cloud's or a power strip's command."""

import shlex
from typing import Any

from pydantic import ConfigDict, Field, SecretStr, StrictBool, field_validator

from recovery.actions import action
from recovery.actions.commands import would_not
from recovery.actions.ipmi import Ipmi, send_verb, wanted_verb
from recovery.actions.redfish import Redfish, send_reset, wanted_reset
from recovery.actions.running import Words, check_words, filled_words, with_output
from recovery.model import About, Done, DoorError, Doors, Failed, NotNeeded, Result
from recovery.model.durations import Timeout
from recovery.model.secrets import SecretFields

EXAMPLE: dict[str, Any] = {"command": ["cloud", "servers", "reboot", "gpu1"]}


class Args(SecretFields):
    """Which way; exactly one of the three."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra={"example": EXAMPLE}
    )

    redfish: Redfish | None = Field(
        None,
        description="by Redfish: `url`, `system`, `user`, `password_file`, and where wanted `reset` (`ForceRestart`,"
        " `GracefulRestart`, `PowerCycle`), `ca_file` or `fingerprint` of the controller's certificate",
    )
    ipmi: Ipmi | None = Field(
        None,
        description="by IPMI, through the program `ipmitool`: `host`, `port`, `user`, `password_file`, and where wanted"
        " `reset` (`reset`, `cycle`) and `cipher_suite` (17, 3)",
    )
    command: Words | None = Field(
        None,
        description="by a command of a cloud or a power strip: the program and its arguments as a list",
        examples=[EXAMPLE["command"]],
    )
    env: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="environment variables of the command beside PATH, HOME and LANG; better `env_file`, paths of files"
        " that hold them",
    )
    host: str = Field(
        "",
        description="the server's name, as other actions on it call it (`host` of `restart_remote`, `agent` of"
        " `restart_by_agent`): one restart of a server at a time; without it the controller's name stands for it",
        examples=["gpu1"],
        max_length=253,
    )
    power_on: StrictBool = Field(True, description="Redfish and IPMI: switch a server on that is off, else fail")
    timeout: Timeout = Field(30.0, description="how long each question and the command may take", examples=["1m"])

    @field_validator("command")
    @classmethod
    def _can_be_run(cls, value: list[str] | None) -> list[str] | None:
        if value:
            check_words(value)
        return value

    def check_together(self) -> None:
        """Raise ValueError where there is not exactly one way."""
        if sum(way is not None for way in (self.redfish, self.ipmi, self.command)) != 1:
            raise ValueError("give exactly one of `redfish`, `ipmi` and `command`")
        if self.env and not self.command:
            raise ValueError("`env` is for `command`")
        if any("\0" in text for text in (*self.env, *self.variables.values())):
            raise ValueError("`env` must not hold a null byte")

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the command, in plain."""
        return {name: value.get_secret_value() for name, value in self.env.items()}


def preview(args: Args, doors: Doors, about: About) -> str:
    """What it would send, by the state that the server is in now."""
    step = _step(args, doors, about)
    if isinstance(step, NotNeeded | Failed):
        return would_not(step)
    if args.redfish:
        return f'POST {{"ResetType": "{step}"}} to {args.redfish.reset_url}'
    words = args.ipmi.command(str(step)) if args.ipmi else list(step)
    return f"run `{shlex.join(words)}`, for at most {args.timeout:g} s"


def _step(args: Args, doors: Doors, about: About) -> str | list[str] | NotNeeded | Failed:
    """The ResetType, ipmitool's verb, or the command's words. Raises DoorError."""
    if args.redfish:
        return wanted_reset(args.redfish, args.power_on, doors, args.timeout)
    if args.ipmi:
        return wanted_verb(args.ipmi, args.power_on, doors, args.timeout)
    return filled_words(args.command or [], about)


@action("reboot_host", safe_to_repeat=False, restarts=True, approval=True, preview=preview)
def reboot_host(args: Args, doors: Doors, about: About) -> Result:
    """Restarts a whole server that ssh cannot reach: by Redfish, by IPMI, or by a command of a cloud or a power strip.

    Redfish and IPMI ask first whether the server is on. One that is on is restarted hard by default, because one that
    does not answer shuts down no more; one that is off is switched on, unless `power_on` is false; one that is being
    switched on is left to it. The controller's certificate must be trusted: by the usual certificates, by `ca_file`, or
    by its `fingerprint`; with another one nothing is sent. Only the address of the specification is posted to, whatever
    an answer names. IPMI needs the program `ipmitool`, which gets the password by its environment (`-E`), never among
    its words; the privilege Operator is enough. A command's words may hold `{{component}}` and the other fields of
    `run_command`, each stays one word; no shell reads them; exit code 0 is done.

    Done means that the controller or the command has taken it: whether the server works is for the component's check,
    which should be given the minutes that a start takes. Everything on the server ends at once, so it needs a person's
    yes unless the configuration says otherwise, and it is not safe to repeat: a second restart would hit a server that
    is starting. A worker that is killed in the middle leaves it unknown, and a person is asked; so does an answer that
    does not come, which is a permanent failure.
    """
    try:
        step = _step(args, doors, about)
        if isinstance(step, NotNeeded | Failed):
            return step
        if args.redfish:
            return send_reset(args.redfish, str(step), doors, args.timeout)
        if args.ipmi:
            return send_verb(args.ipmi, str(step), doors, args.timeout)
        return _run_command(args, list(step), doors)
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)


def _run_command(args: Args, words: list[str], doors: Doors) -> Result:
    ended = doors.shell.run(words, timeout_seconds=args.timeout, env=args.variables)
    output, env = ended.output, args.variables.values()
    if ended.timed_out or ended.code is None:
        how = f"did not end within {args.timeout:g} s and was ended: nobody knows whether the server restarts"
        return Failed(with_output(how, output, env), permanent=True)
    if ended.code == 0:
        return Done(with_output("ended with exit code 0", output, env))
    return Failed(with_output(f"ended with exit code {ended.code}", output, env))
