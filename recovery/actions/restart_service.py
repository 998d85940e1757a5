"""A service that its manager restarts: a systemd unit, or a program under supervisor."""

import os
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator, model_validator

from recovery.actions import action
from recovery.actions.commands import LOOK_SECONDS, Commands, ask, failure, words_of, would
from recovery.model import About, Done, DoorError, Doors, Failed, NotNeeded, Result
from recovery.model.durations import Timeout

UNIT = re.compile(r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]{0,254}")
PROGRAM = re.compile(r"(?!all$)[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}(:([A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}|\*))?")
UNUSABLE = {"not-found": "systemd knows no unit {}", "masked": "{} is masked", "bad-setting": "{} is not set up right"}
# systemctl's exit codes after those of init scripts: not implemented, no permission, not installed, not configured.
SYSTEMD_PERMANENT = (3, 4, 5, 6)
NOT_ALLOWED = re.compile(r"authentication required|access denied|permission denied", re.IGNORECASE)
# supervisorctl's likewise: a name or an option that is wrong, and a program that is not there.
SUPERVISOR_PERMANENT = (2, 5)


class Args(BaseModel):
    """Which service, and who manages it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    service: str = Field(
        description="systemd: the unit; supervisor: the program, `group:program`, or `group:*`",
        examples=["n8n.service"],
    )
    manager: Literal["systemd", "supervisor"] = Field("systemd", description="`systemd` or `supervisor`")
    user: StrictBool = Field(False, description="systemd: a unit of the worker's own user instead of the system")
    config: str = Field(
        "",
        description="supervisor: the file that says where supervisord listens; else where supervisorctl looks itself",
        examples=["/etc/supervisor/supervisord.conf"],
    )
    timeout: Timeout = Field(120.0, description="how long stopping and starting may take together", examples=["5m"])

    @field_validator("config")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        if value and not re.fullmatch(r"/[^\x00-\x1f\x7f]{1,4095}", value):
            raise ValueError("write the whole path of the file, such as /etc/supervisor/supervisord.conf")
        return value

    @model_validator(mode="after")
    def _fits_its_manager(self) -> "Args":
        if self.manager == "systemd" and not UNIT.fullmatch(self.service):
            raise ValueError("`service` is the name of a systemd unit, such as n8n.service")
        if self.manager == "supervisor" and not PROGRAM.fullmatch(self.service):
            raise ValueError("`service` is a program of supervisor, `group:program`, or `group:*`; never `all`")
        if self.user and self.manager != "systemd":
            raise ValueError("`user` is for systemd; supervisor is found by `config`")
        if self.config and self.manager != "supervisor":
            raise ValueError("`config` is for supervisor; write `manager: supervisor` with it")
        return self


def preview(args: Args, doors: Doors, about: About) -> str:
    """The very commands, as the service's present state asks for them."""
    return would(_plan(args, doors), args.timeout)


@action("restart_service", safe_to_repeat=True, restarts=True, preview=preview)
def restart_service(args: Args, doors: Doors, about: About) -> Result:
    """Restarts a systemd unit (`systemctl restart`) or a program under supervisor (`supervisorctl restart`).

    It asks the manager how the service is first. One that is being started at this moment is left to its start, which
    may be long after a crash: there is nothing to do. A unit that systemd has given up is forgiven before
    (`systemctl reset-failed`), because systemd may refuse to start one that failed too often. What the manager does not
    know, or does not let n8n-medic do, is a permanent failure. Done means that the manager says so; whether the
    service works is for the component's check.

    The worker's user needs the right to restart this one service: a polkit rule for systemd, or supervisor's socket
    opened to its group (`chmod` and `chown` in its `[unix_http_server]`). No password is ever asked for. At its timeout
    the command is ended, and a restart that systemd has begun still goes on. It is safe to repeat: a worker that is
    killed in the middle leaves a service that is stopped, starting or started, and a second restart ends in the same
    state, after one more interruption at the worst.
    """
    try:
        plan = _plan(args, doors)
        if not isinstance(plan, list):
            return plan
        for command in plan:
            ended = ask(doors, command, args.timeout, _environment(args))
            if ended.code != 0:
                return failure(command, ended, _is_permanent(args, ended.code, ended.output))
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)
    return Done(f"{args.manager} has restarted {args.service}")


def _environment(args: Args) -> dict[str, str]:
    """Where the user's own systemd listens; commands inherit nothing that would tell."""
    return {"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}"} if args.user else {}


def _is_permanent(args: Args, code: int | None, output: str) -> bool:
    codes = SYSTEMD_PERMANENT if args.manager == "systemd" else SUPERVISOR_PERMANENT
    return code in codes or bool(NOT_ALLOWED.search(output))


def _plan(args: Args, doors: Doors) -> Commands | NotNeeded | Failed:
    """The commands that restart it from the state that it is in."""
    return _plan_systemd(args, doors) if args.manager == "systemd" else _plan_supervisor(args, doors)


def _plan_systemd(args: Args, doors: Doors) -> Commands | NotNeeded | Failed:
    call = ["systemctl", "--no-ask-password", *(["--user"] if args.user else [])]
    look = [*call, "show", "--property=LoadState,ActiveState,SubState", "--", args.service]
    answer = ask(doors, look, min(LOOK_SECONDS, args.timeout), _environment(args))
    told = dict(re.findall(r"^(\w+)=(.*)$", answer.output, re.MULTILINE))
    if answer.code != 0 or not told.get("ActiveState"):
        return Failed(f"systemctl: {words_of(answer) or 'no answer'}")
    if told.get("LoadState") in UNUSABLE:
        return Failed(UNUSABLE[told["LoadState"]].format(args.service), permanent=True)
    sub = told.get("SubState", "")
    if told["ActiveState"] == "activating" and not sub.startswith("auto-restart"):
        return NotNeeded(f"{args.service} is being started already ({sub})")
    forgive = [[*call, "reset-failed", "--", args.service]] if told["ActiveState"] == "failed" else []
    return [*forgive, [*call, "restart", "--", args.service]]


def _plan_supervisor(args: Args, doors: Doors) -> Commands | NotNeeded | Failed:
    call = ["supervisorctl", *(["-c", args.config] if args.config else [])]
    answer = ask(doors, [*call, "status", args.service], min(LOOK_SECONDS, args.timeout))
    states = re.findall(r"^\S+\s+([A-Z]+)(?:\s|$)", answer.output, re.MULTILINE)
    if not states or "ERROR (no such" in answer.output:
        permanent = "ERROR (no such" in answer.output or answer.code == 2 or bool(NOT_ALLOWED.search(answer.output))
        return Failed(f"supervisorctl: {words_of(answer) or 'no answer'}", permanent)
    if "STARTING" in states:
        return NotNeeded(f"{args.service} is being started already")
    return [[*call, "restart", args.service]]
