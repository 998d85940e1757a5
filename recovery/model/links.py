"""Links that let a person who has only the message decide about a step, or answer a call: signed, and for a time."""

from dataclasses import dataclass
from datetime import UTC, datetime

from itsdangerous import BadData, URLSafeSerializer

__all__ = ["Answer", "Decision", "read_answer", "read_decision", "sign_answer", "sign_decision"]

_SALT = "a decision about a step"
_ANSWER_SALT = "an answer to a call"


@dataclass(frozen=True, slots=True)
class Decision:
    """Which step of which recovery a link is for, and until when it is good."""

    incident_id: int
    recovery_id: int
    step: int
    until: datetime


def sign_decision(key: str, decision: Decision) -> str:
    """The end of the link. It works once, for the step that it names waits only once.

    Raises:
        ValueError: there is no key to sign with.
    """
    return _sign(key, _SALT, decision.until, decision.incident_id, decision.recovery_id, decision.step)


def read_decision(key: str, token: str, now: datetime) -> Decision | None:
    """What a link is for; None where it is not one of ours, or its time is over."""
    read = _read(key, _SALT, token, now)
    return Decision(*read[0], until=read[1]) if read else None


@dataclass(frozen=True, slots=True)
class Answer:
    """Which call for a person a link answers, and until when it is good."""

    incident_id: int
    episode: int
    call: int
    until: datetime


def sign_answer(key: str, answer: Answer) -> str:
    """The end of the link. It answers that call once.

    Raises:
        ValueError: there is no key to sign with.
    """
    return _sign(key, _ANSWER_SALT, answer.until, answer.incident_id, answer.episode, answer.call)


def read_answer(key: str, token: str, now: datetime) -> Answer | None:
    """Which call a link answers; None where it is not one of ours, or its time is over."""
    read = _read(key, _ANSWER_SALT, token, now)
    return Answer(*read[0], until=read[1]) if read else None


def _sign(key: str, salt: str, until: datetime, *numbers: int) -> str:
    if not key:
        raise ValueError("a link cannot be signed without a key")
    return str(URLSafeSerializer(key, salt=salt).dumps([*numbers, int(until.timestamp())]))


def _read(key: str, salt: str, token: str, now: datetime) -> tuple[tuple[int, int, int], datetime] | None:
    """The three numbers of a link and its end; None where it is not one of ours, or its time is over."""
    try:
        if not key:
            return None
        one, two, three, unix = map(int, URLSafeSerializer(key, salt=salt).loads(token))
        until = datetime.fromtimestamp(unix, UTC)
    except (BadData, ValueError, TypeError, OverflowError, OSError):
        return None
    return ((one, two, three), until) if now < until else None
