"""A component of which a monitor tells several alerts: it is well when none of them fires any more."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from recovery.model import Reading

FORGOTTEN_AFTER = timedelta(days=2)  # longer than monitors wait before they repeat one that still fires
LATE_FOR = timedelta(minutes=1)  # so long a message may be on its way past a later one
MOST = 200


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: since when it fires (as its sender writes it), when it was last told of, and whether it fires."""

    began: str
    heard_at: datetime
    fires: bool


Alerts = Mapping[str, Alert]


def weigh_alert(reading: Reading, known: Alerts, is_open: bool, now: datetime) -> tuple[Alerts, str]:
    """The alerts of a component after a word on one of them, and why that says nothing new; "" where it counts.

    A word that repeats what is known counts once, but is news where nothing is open: then another good word closed it.
    One that fires again as of its first beginning is news too, unless its end came just now: a monitor that was not
    told of it for a while calls it resolved, and goes on with it later.

    Args:
        reading: one that names its alert.
        is_open: the component fails, and its incident is open.
    """
    mark, began = reading.alert or ("", "")
    before = known.get(mark)
    others = {name: alert for name, alert in known.items() if name != mark}
    noted = _shortened({**others, mark: Alert(began, now, not reading.healthy)})
    is_same = before is not None and before.began == began
    if reading.healthy:
        firing = sum(alert.fires and now - alert.heard_at < FORGOTTEN_AFTER for alert in others.values())
        return noted, f"resolved, while another alert of it fires ({firing})" if firing else ""
    if is_same and began and before and not before.fires and now - before.heard_at < LATE_FOR:
        return known, "heard of late: this alert is resolved already"
    return noted, "known: the alert still fires" if is_same and before and before.fires and is_open else ""


def _shortened(alerts: dict[str, Alert]) -> dict[str, Alert]:
    """The newest ones, those that fire first."""
    by_worth = sorted(alerts, key=lambda name: (alerts[name].fires, alerts[name].heard_at), reverse=True)
    return {name: alerts[name] for name in by_worth[:MOST]}
