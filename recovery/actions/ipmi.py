"""The power of a server, by IPMI: what its management controller is asked and told through `ipmitool`."""

import re
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StrictInt, field_validator

from recovery.actions.redfish import unknown
from recovery.model import Done, DoorError, Doors, Failed, Result, ShellResult
from recovery.model.secrets import SecretFields

KEPT_CHARACTERS = 300
_POWER = re.compile(r"^Chassis Power is (on|off)\s*$", re.MULTILINE)
_REFUSED = re.compile(r"^Set Chassis Power Control to [\w/ ]+ failed: (?!.*(?:timeout|unknown))", re.MULTILINE | re.I)


class Ipmi(SecretFields):
    """Which server's management controller, and how it is asked."""

    host: str = Field(description="the controller's name or IP address", examples=["bmc1.example.com"], max_length=253)
    port: Annotated[StrictInt, Field(ge=1, le=65_535)] = Field(623, description="its UDP port")
    user: str = Field(description="who asks; the privilege Operator is enough", examples=["medic"], max_length=64)
    password: SecretStr = Field(
        description="the user's password; better `password_file`, the path of a file that holds it"
    )
    reset: Literal["reset", "cycle"] = Field(
        "reset", description="how a server that is on is restarted; `cycle` takes its power away for a second or more"
    )
    cipher_suite: Literal[3, 17] | None = Field(
        None, description="the cipher suite, where asking the controller for its own takes long or fails"
    )

    @field_validator("host", "user")
    @classmethod
    def _is_one_word(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._:@-]*", value):
            raise ValueError("write only a name or an address, of letters, digits and . _ : @ -")
        return value

    @field_validator("password")
    @classmethod
    def _fits_an_environment(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value() or "\0" in value.get_secret_value():
            raise ValueError("must not be empty, nor hold a null byte")
        return value

    def command(self, verb: str) -> list[str]:
        """The words of ipmitool; the password comes by its environment (`-E`), as everybody sees the words."""
        there = ["-H", self.host, "-p", str(self.port), "-U", self.user]
        there += ["-C", str(self.cipher_suite)] if self.cipher_suite else []
        return ["ipmitool", "-I", "lanplus", *there, "-L", "OPERATOR", "-E", "chassis", "power", verb]


def wanted_verb(settings: Ipmi, power_on: bool, doors: Doors, seconds: float) -> str | Failed:
    """What ipmitool is told, by whether the server is on now. Raises DoorError."""
    ended = _run(settings, "status", doors, seconds)
    if ended.timed_out or ended.code != 0:
        return Failed(f"the controller does not say whether the server is on: {_said(settings, ended)}")
    found = _POWER.search(ended.output)
    if not found:
        return Failed(f"ipmitool says nothing of the power: {_said(settings, ended)}", permanent=True)
    if found[1] == "off" and not power_on:
        return Failed("the server is off, and `power_on` is false", permanent=True)
    return "on" if found[1] == "off" else settings.reset


def send_verb(settings: Ipmi, verb: str, doors: Doors, seconds: float) -> Result:
    """Tell the controller, once."""
    try:
        ended = _run(settings, verb, doors, seconds)
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)
    if ended.timed_out:
        return unknown(f"`chassis power {verb}` did not end within {seconds:g} s")
    if ended.code == 0:
        return Done(f"the controller took `chassis power {verb}`")
    if _REFUSED.search(ended.output):
        return Failed(f"the controller refuses `chassis power {verb}`: {_said(settings, ended)}")
    return unknown(f"`chassis power {verb}` ended with exit code {ended.code}: {_said(settings, ended)}")


def _run(settings: Ipmi, verb: str, doors: Doors, seconds: float) -> ShellResult:
    secret = {"IPMI_PASSWORD": settings.password.get_secret_value()}
    return doors.shell.run(settings.command(verb), timeout_seconds=seconds, env=secret)


def _said(settings: Ipmi, ended: ShellResult) -> str:
    said = " ".join(ended.output.replace(settings.password.get_secret_value(), "[redacted]").split())
    if ended.timed_out:
        return f"it did not end in time {said[-KEPT_CHARACTERS:]}".strip()
    return said[-KEPT_CHARACTERS:] or "without a word"
