"""Why nothing is done about a component just now: maintenance, or something that it needs is down."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from recovery.decide.triage import ComponentFacts
from recovery.model import MaintenancePlan, Policy, Window
from recovery.model.plans import ALL

MOMENT = timedelta(microseconds=1)
NEEDED_SEEN_WITHIN = timedelta(seconds=30)  # enough for a look that hangs, and the one that confirms it


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
        # A moment on, because a window begins with its minute, not after it. In UTC, here and below: wall clocks are
        # set back and forth while a window is open.
        begin = (now.astimezone(UTC) + MOMENT).astimezone(ZoneInfo(plan.timezone))
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
    if window := _window_of(component, windows):
        return Hold(_said(window), window.ends_at)
    down = [name for name in policy.upstream(component) if name in failing]
    for name in down:  # who works on it knows that what needs it fails as well
        if window := _window_of(name, windows):
            return Hold(f"{component} needs {name}, which is down: {_said(window)}", window.ends_at)
    because = f"{component} needs {down[0]}, which is down: that comes first" if down else ""
    return Hold(because, bounded=True) if down else None


def _window_of(component: str, windows: Sequence[Window]) -> Window | None:
    return next((one for one in windows if one.covers(component)), None)


def _said(window: Window) -> str:
    what = "everything is paused" if ALL in window.components else "maintenance"
    until = f" until {window.ends_at:%Y-%m-%d %H:%M} UTC" if window.ends_at else ""
    return f"{what}{until}{f': {window.note}' if window.note else ''}"


@dataclass(frozen=True, slots=True)
class Unseen:
    """What a component needs, of which nobody knows yet whether it is down as well; `hurry`: to be looked at now."""

    names: tuple[str, ...]
    hurry: tuple[str, ...]


def unseen_of(
    component: str, policy: Policy, known: Mapping[str, ComponentFacts], since: datetime, now: datetime
) -> Unseen:
    """What is to be seen before anything is done about a component that fails since `since`.

    What it needs may have failed with it and is only looked at later: it would be restarted for what is no fault of its
    own. Nothing is waited for longer than `NEEDED_SEEN_WITHIN`, nor for what has no check.
    """
    names, hurry = [], []
    for name in policy.upstream(component) if timedelta(0) <= now - since < NEEDED_SEEN_WITHIN else ():
        facts, plan = known.get(name), policy.component(name)
        if plan.check is None or facts is None:
            continue
        is_old = facts.seen_at is None or facts.seen_at < since
        hurry += [name] if is_old else []
        names += [name] if is_old or 0 < facts.failures < plan.failure_threshold else []
    return Unseen(tuple(names), tuple(hurry))
