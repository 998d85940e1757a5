"""Which orders the pages offer for an incident, and which of them make sense now."""

from dataclasses import dataclass

from recovery.model import OrderWhat, RecoveryState
from recovery.store.orders import Standing, why_refused

OFFERED = (
    OrderWhat.RETRY_NOW,
    OrderWhat.PAUSE,
    OrderWhat.RESUME,
    OrderWhat.SKIP_STAGE,
    OrderWhat.CANCEL,
    OrderWhat.RESOLVE,
    OrderWhat.ACKNOWLEDGE,
    OrderWhat.SNOOZE,
    OrderWhat.ESCALATE,
)


@dataclass(frozen=True, slots=True)
class Control:
    """A button: what it orders, and why it cannot be pressed now ("" where it can)."""

    what: str
    refused: str


def list_controls(standing: Standing) -> list[Control]:
    """The buttons of an incident. Of pause and resume only one is there."""
    paused = standing.under_way is not None and standing.under_way.state == RecoveryState.PAUSED
    hidden = OrderWhat.PAUSE if paused else OrderWhat.RESUME
    return [Control(what.value, why_refused(what, standing)) for what in OFFERED if what is not hidden]
