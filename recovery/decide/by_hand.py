"""What follows an action that a person had run by hand: its component's own check looks, until it may be believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recovery.decide.planner import OVER, VERIFY_EVERY, StepFacts
from recovery.model import StepState

CALLED = {
    StepState.SUCCEEDED: "is done",
    StepState.FAILED: "failed",
    StepState.SKIPPED: "was not needed",
    StepState.UNKNOWN: "was begun, and nobody knows whether it happened",
}


@dataclass(frozen=True, slots=True)
class Look:
    """The check looks, at that time."""

    at: datetime
    because: str


def next_look(acted: StepFacts, looks: Sequence[StepFacts], grace_seconds: float, now: datetime) -> Look | None:
    """When the component is to be looked at; None where that has been done, or nothing was.

    Args:
        looks: those after the action, in their order.
        grace_seconds: how long after an action the check may still fail.
    """
    if acted.state not in OVER or acted.dry or any(look.state not in OVER for look in looks):
        return None
    if not looks:
        return Look(now, f"see how it is now that {acted.name} {CALLED[acted.state]}")
    until = (acted.finished_at or now) + timedelta(seconds=grace_seconds)
    if looks[-1].state is StepState.FAILED and now + VERIFY_EVERY <= until:
        return Look(now + VERIFY_EVERY, "it may still be starting: look again")
    return None


def tell(acted: StepFacts, looks: Sequence[StepFacts]) -> str:
    """What came of it by now, in words."""
    if acted.state not in OVER:
        return f"{acted.name} is {acted.state}"
    told = f"{acted.name} {CALLED[acted.state]}: {acted.why}"
    if acted.dry:
        return acted.why
    over = [look for look in looks if look.state in (StepState.SUCCEEDED, StepState.FAILED)]
    if not over:
        return told
    last = over[-1]
    verdict = "healthy" if last.state is StepState.SUCCEEDED else "not healthy"
    return f"{told}; the check {last.name} then found it {verdict}: {last.why}"
