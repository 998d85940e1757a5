"""What came of an action, counted: the ground on which the order of a stage's alternatives is chosen."""

from dataclasses import dataclass

__all__ = ["Outcomes"]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How often an action helped against one failure type, on one component or on all of them.

    Fields:
        successes, failures: after how many of its runs the component was healthy, and after how many it was not.
        healthy_seconds: mean time from its start to the healthy look, where it helped; None where it never did.
        failed_seconds: mean time from its start until it was known that it had not helped; None where it always did.
    """

    successes: int = 0
    failures: int = 0
    healthy_seconds: float | None = None
    failed_seconds: float | None = None

    @property
    def tries(self) -> int:
        """How many outcomes there are."""
        return self.successes + self.failures
