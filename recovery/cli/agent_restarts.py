"""What an agent may be asked to restart: names and what they mean, in a file of its own machine and nowhere else."""

import os
import re
import stat
from pathlib import Path
from typing import Annotated

from pydantic import Field, StrictStr, ValidationError, model_validator

from recovery.cli.agent_plan import BadPlan
from recovery.config.document import read_document
from recovery.config.environment import Overlay
from recovery.config.problems import ConfigProblems
from recovery.config.sections import Settings
from recovery.config.translate import Translator
from recovery.config.types import Period, expected
from recovery.model.durations import parse_duration

UNIT = re.compile(r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]{0,254}")
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Word = Annotated[StrictStr, Field(max_length=4_096, pattern=r"^[^\x00]*$")]


class Restartable(Settings):
    """One thing that may be restarted: a systemd unit, or a program with its arguments."""

    unit: StrictStr | None = None
    """Restarted with `systemctl restart`."""
    command: Annotated[tuple[Word, ...], Field(min_length=1, max_length=100)] | None = None
    """Run as it stands here, without a shell."""
    timeout: Period = Field(default=parse_duration("60s"), validate_default=True)
    """After this it is ended, with everything that it started."""

    @model_validator(mode="after")
    def _says_what(self) -> "Restartable":
        if (self.unit is None) == (self.command is None):
            raise expected('either `unit`, or `command` as a list such as ["docker", "restart", "web"]')
        if self.unit is not None and not UNIT.fullmatch(self.unit):
            raise expected("`unit` as the name of a systemd unit, such as orders.service")
        if self.command is not None and not self.command[0].strip():
            raise expected("`command` with a program as its first word")
        return self

    @property
    def words(self) -> list[str]:
        """The program and its arguments."""
        return list(self.command or ("systemctl", "--no-ask-password", "restart", "--", self.unit or ""))


class RestartsFile(Settings):
    """The whole file."""

    restarts: Annotated[dict[Name, Restartable], Field(min_length=1, max_length=100)]
    """What n8n-medic may ask for, by name."""


def read_restarts(path: str) -> dict[str, Restartable]:
    """What the file allows, by name.

    Raises:
        ConfigProblems: it is no such file.
        BadPlan: others may write into it, and so would run what they like as this user.
    """
    _must_be_ours(Path(path))
    document = read_document(Path(path))
    translator = Translator(document, document.data, Overlay())
    try:
        found = RestartsFile.model_validate(document.data)
    except ValidationError as error:
        raise ConfigProblems(document.problems or translator.problems(error, RestartsFile)) from None
    if document.problems:
        raise ConfigProblems(document.problems)
    return found.restarts


def _must_be_ours(path: Path) -> None:
    try:
        told = path.stat()
    except OSError:
        return  # the reader says what is wrong with it
    if told.st_uid not in (0, os.getuid()) or told.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BadPlan(
            f"--restarts {path} says what is run here, so that only root or this user may write it: chmod 600 {path}"
        )
