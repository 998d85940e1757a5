"""What an action is told, and what it answers."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recovery.model.words import FailureType, Severity

__all__ = ["About", "Asked", "Done", "Failed", "NotNeeded", "Result", "fill_in", "unknown_fields"]

_FIELD = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Done:
    """The action did what it is for.

    Fields:
        detail: what it did, in words.
        memory: JSON that its next run on this component, and its way back, must know; None where there is nothing.
    """

    detail: str
    memory: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The action did not; `permanent` means that trying again cannot help."""

    why: str
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class NotNeeded:
    """There was nothing to do."""

    why: str


@dataclass(frozen=True, slots=True)
class Asked:
    """An agent on another machine is to do it: the step ends with its answer.

    Fields:
        agent: which one. what: its own configuration calls it so.
        within_seconds: how long the answer may take.
    """

    agent: str
    what: str
    within_seconds: float


Result = Done | Failed | NotNeeded | Asked


@dataclass(frozen=True, slots=True)
class About:
    """What an action is told of the incident that it is run for.

    Fields:
        cause: the incident's own words. They may come from a payload: to be shown or sent on, never run or opened.
        link: where people see the incident.
        key: the same however often this step is run, and no other's, so that receivers can drop repeats; "" without.
        now: the present time.
        memory: of its last `Done` on this component that had one; {} without.
    """

    component: str
    now: datetime
    incident_id: int = 0
    failure_type: FailureType = FailureType.SERVER_UNRESPONSIVE
    severity: Severity = Severity.HIGH
    cause: str = ""
    opened_at: datetime | None = None
    stage: int = 1
    attempt: int = 1
    link: str = ""
    key: str = ""
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, str]:
        """What a word of a command may ask for as `{{name}}`: our own words, and nothing that a payload wrote."""
        told = (self.component, self.failure_type, self.severity, self.incident_id, self.stage, self.attempt, self.link)
        return dict(zip(FIELDS, map(str, told), strict=True))


FIELDS = ("component", "failure_type", "severity", "incident_id", "stage", "attempt", "link")


def fill_in(text: str, about: About) -> str:
    """The text with each `{{field}}` replaced; one that is unknown stays as it is."""
    return _FIELD.sub(lambda found: about.fields.get(found[1], found[0]), text)


def unknown_fields(text: str) -> list[str]:
    """The fields that a text asks for and that there are not, for an `Args` to refuse."""
    return [name for name in _FIELD.findall(text) if name not in FIELDS]
