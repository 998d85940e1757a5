"""The moves of a recovery, one of which is always the next."""

from dataclasses import dataclass
from datetime import datetime

from recovery.model import PlannedAction, PlannedCheck


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do until something happens, or until `until`."""

    because: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AddCheck:
    """Look now (or at `at`)."""

    check: PlannedCheck
    because: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AddAction:
    """Run an action; `skip`: record that it is not needed instead; `ask`: once a person has said yes.

    `confirm`: the check that looks anew first, because what it confirmed may be over by now; None: it just looked.
    """

    action: PlannedAction
    because: str
    skip: bool = False
    ask: bool = False
    confirm: PlannedCheck | None = None


@dataclass(frozen=True, slots=True)
class StartCanary:
    """Retry one waiting execution, alone: see `replay.choose_canary`."""

    because: str


@dataclass(frozen=True, slots=True)
class ReplayRest:
    """The canary succeeded: the stages are given back, and the rest may follow."""

    because: str


@dataclass(frozen=True, slots=True)
class ReleaseMore:
    """Let as many waiting executions start as the limits allow."""

    because: str


@dataclass(frozen=True, slots=True)
class NextAttempt:
    """This attempt failed; the next one begins at `at`."""

    stage: int
    attempt: int
    at: datetime
    because: str


@dataclass(frozen=True, slots=True)
class AskPerson:
    """What is left may repeat an effect: a person decides."""

    because: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nobody has said in time whether an action may be run."""

    because: str


@dataclass(frozen=True, slots=True)
class End:
    """The recovery is over."""

    succeeded: bool
    because: str


Move = Rest | AddCheck | AddAction | StartCanary | ReplayRest | ReleaseMore | NextAttempt | AskPerson | Unanswered | End
