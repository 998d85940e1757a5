"""Why nothing is done about a component just now: maintenance, or something that it needs is down."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from recovery.model import MaintenancePlan, Policy

ALL = "*"


@dataclass(frozen=True, slots=True)
class Window:
    """A time of maintenance: of which components ("*" for all), until when (None: until somebody ends it), and why."""

    components: tuple[str, ...]
    ends_at: datetime | None
    note: str = ""

    def covers(self, component: str) -> bool:
        """Whether it is about that component."""
        return ALL in self.components or component in self.components


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is done before `until`, or before it has ended; `because` says why.

    Fields:
        bounded: a person is called all the same when the incident's time has run out.
    """

    because: str
    until: datetime | None = None
    bounded: bool = False


def planned_windows(plans: Iterable[MaintenancePlan], now: datetime) -> list[Window]:
    """The windows of the configuration that are open now."""
    found = []
    for plan in plans:
        # One second on, because a window begins with its minute, not after it. In UTC, here and below: wall clocks are
        # set back and forth while a window is open.
        begin = (now.astimezone(UTC) + timedelta(seconds=1)).astimezone(ZoneInfo(plan.timezone))
        began = next(CronSim(plan.cron, begin, reverse=True))
        ends_at = began.astimezone(UTC) + timedelta(seconds=plan.for_seconds)
        if began.astimezone(UTC) <= now < ends_at:
            found.append(Window(plan.components, ends_at, plan.note))
    return found


def why_held(component: str, policy: Policy, failing: Collection[str], windows: Sequence[Window]) -> Hold | None:
    """Why nothing is done about a component; None where nothing stands against it.

    Args:
        failing: the components that have an open incident of being down.
    """
    window = next((one for one in windows if one.covers(component)), None)
    if window:
        what = "everything is paused" if ALL in window.components else "maintenance"
        until = f" until {window.ends_at:%Y-%m-%d %H:%M} UTC" if window.ends_at else ""
        return Hold(f"{what}{until}{f': {window.note}' if window.note else ''}", window.ends_at)
    needed = next((name for name in policy.upstream(component) if name in failing), None)
    because = f"{component} needs {needed}, which is down: that comes first"
    return Hold(because, bounded=True) if needed else None
