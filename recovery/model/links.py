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
    if not key:
        raise ValueError("a link cannot be signed without a key")
    named = [decision.incident_id, decision.recovery_id, decision.step, int(decision.until.timestamp())]
    return str(URLSafeSerializer(key, salt=_SALT).dumps(named))


def read_decision(key: str, token: str, now: datetime) -> Decision | None:
    """What a link is for; None where it is not one of ours, or its time is over."""
    try:
        if not key:
            return None
        incident_id, recovery_id, step, until = map(int, URLSafeSerializer(key, salt=_SALT).loads(token))
    except (BadData, ValueError, TypeError):
        return None
    decision = Decision(incident_id, recovery_id, step, datetime.fromtimestamp(until, UTC))
    return decision if now < decision.until else None


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
    if not key:
        raise ValueError("a link cannot be signed without a key")
    named = [answer.incident_id, answer.episode, answer.call, int(answer.until.timestamp())]
    return str(URLSafeSerializer(key, salt=_ANSWER_SALT).dumps(named))


def read_answer(key: str, token: str, now: datetime) -> Answer | None:
    """Which call a link answers; None where it is not one of ours, or its time is over."""
    try:
        if not key:
            return None
        incident_id, episode, call, until = map(int, URLSafeSerializer(key, salt=_ANSWER_SALT).loads(token))
        answer = Answer(incident_id, episode, call, datetime.fromtimestamp(until, UTC))
    except (BadData, ValueError, TypeError, OverflowError, OSError):
        return None
    return answer if now < answer.until else None
