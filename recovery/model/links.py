"""Links that let a person who has only the message decide about one step: signed, and for a time."""

from dataclasses import dataclass
from datetime import UTC, datetime

from itsdangerous import BadData, URLSafeSerializer

__all__ = ["Decision", "read_decision", "sign_decision"]

_SALT = "a decision about a step"


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
