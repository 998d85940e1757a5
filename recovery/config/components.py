"""What is watched, and what may be done to it, as the configuration writes it."""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, StrictInt, model_validator

from recovery.config.sections import ActionUse, CheckUse, Settings
from recovery.config.types import Count, Duration, Flag, Host, Period, Text, expected
from recovery.model import Severity


def _read_command(value: Any) -> tuple[str, ...] | str:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not words or not all(isinstance(word, str) for word in words):
        raise expected('a list of texts, such as ["systemctl", "restart", "orders"]', "put numbers in quotes")
    if not words[0].strip() or any("\x00" in word for word in words):
        raise expected('a program and its arguments, such as ["systemctl", "restart", "orders"]')
    return value if isinstance(value, str) else tuple(words)


class Restart(Settings):
    """A command that brings a component back."""

    command: Annotated[tuple[str, ...] | str, BeforeValidator(_read_command)]
    """The program and its arguments as a list; with `shell: true`, one line for the shell."""
    shell: Flag = False
    """Give the line to /bin/sh. Leave it off unless pipes or variables are needed."""
    timeout: Period = timedelta(seconds=60)
    """After this the command is ended, with everything that it started."""
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    """Environment variables beside PATH, HOME and LANG. Their values are never printed or stored."""
    safe_to_repeat: Flag = True
    """Off: it is never run again where nobody knows whether it ran (n8n-medic was killed in its middle)."""
    cwd: str | None = None
    """Where to run it; default: where n8n-medic runs."""

    @model_validator(mode="after")
    def _fits_the_shell(self) -> Self:
        if self.shell != isinstance(self.command, str):
            raise expected(
                "`command` as a list of words, or as one line together with `shell: true`",
                'write ["systemctl", "restart", "orders"], or add shell: true',
            )
        return self


def _read_restart(value: Any) -> Any:
    return {"command": value} if isinstance(value, list | str) else value


class Component(Settings):
    """Something that can fail: an API, a database, a server, a host that workflows call."""

    name: Text
    """How people, probes and the pages call it."""
    check: CheckUse | None = None
    """Looks at it. The same check finds a failure and verifies a recovery."""
    every: Period | None = None
    """How often the check runs; default: as its check says, 30s or 2m; 30s where it is critical."""
    severity: Severity = Severity.HIGH
    """How bad a failure of it is: critical, high, medium or low."""
    failure_threshold: Count = 2
    """How many failures in a row open an incident."""
    success_threshold: Count = 1
    """How many successes in a row make it healthy again."""
    flap_threshold: Annotated[StrictInt, Field(ge=0, le=20)] = 11
    """How many changes between good and bad among its last 21 looks make it flapping; 0: none do."""
    hosts: tuple[Host, ...] | None = None
    """What workflows call it by: host, or host:port; default: the check's host and port."""
    restart: Annotated[
        Restart | None, BeforeValidator(_read_restart, json_schema_input_type=tuple[str, ...] | Restart | None)
    ] = None
    """The command that brings it back, verified with the check."""
    actions: dict[str, ActionUse] = Field(default_factory=dict)
    """What may be done to it, by name: restart, reconnect, clear_cache, free_disk, scale_up, or a name of one's own."""
    labels: dict[str, str] = Field(default_factory=dict)
    """What playbooks may match, such as {team: shop}."""
    depends_on: tuple[Text, ...] = ()
    """The components that it needs. While one of them is down, this one is held as a consequence."""
    trust_probes: Flag = False
    """Without a check, or with one that only hears (`pushed`): let pushed probes start the restart."""
    boot_grace: Duration = timedelta(seconds=10)
    """How long after a restart the check may still fail."""
