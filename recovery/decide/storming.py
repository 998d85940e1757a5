"""When many incidents become one message, when that is sent and brought up to date, and how much a channel carries."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from recovery.model import Budget, ChannelPlan, StormRule

__all__ = [
    "LOOK_AGAIN",
    "StormView",
    "Update",
    "budget_of",
    "is_part",
    "pause_of",
    "room_at",
    "rule_for",
    "storm_due",
    "update",
]

LOOK_AGAIN = timedelta(seconds=30)
HOUR = timedelta(hours=1)
RINGING = "sms"  # a phone rings for each message: a few are a storm there
SOON, RINGS_AFTER = timedelta(minutes=5), timedelta(minutes=15)  # a call waits no longer for want of room
CHAT = Budget(120, 3_600.0)
BUDGETS = {RINGING: Budget(6, 3_600.0), "email": Budget(60, 3_600.0), "slack": CHAT, "apprise": CHAT}


@dataclass(frozen=True, slots=True)
class StormView:
    """A storm on a channel, as it is looked at.

    Fields:
        told_at: when its message was sent; None: not yet.
        healing, needs_human, resolved: its incidents now, counted.
        counted: of how many that need a person the message told.
        changed: it stands otherwise than was told.
        answered: somebody has acknowledged one of them since.
    """

    kind: str
    began_at: datetime
    told_at: datetime | None = None
    healing: int = 0
    needs_human: int = 0
    resolved: int = 0
    counted: int = 0
    changed: bool = True
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """What comes next: it is told, it is over in silence, or (`again`) it is looked at then.

    Fields:
        goes_on: told or not, more of it may have to be told.
    """

    tell: bool
    because: str
    again: datetime | None = None
    goes_on: bool = False


def rule_for(kind: str, rule: StormRule) -> StormRule:
    """The rule of a channel of that kind."""
    return replace(rule, most=1) if kind == RINGING else rule


def is_part(
    is_first: bool, lately: int, owed_at: datetime, storm_began: datetime | None, in_storm: bool, rule: StormRule
) -> bool:
    """Whether a message on a channel, which reminds nobody of a storm, is told of by its storm.

    Args:
        is_first: nothing was told of its incident on the channel yet.
        lately: of how many other incidents the channel was first to be told within the rule's time.
        owed_at: when it was first to be told of this one.
        storm_began: of the storm that is open there; None: none is.
        in_storm: the incident is part of it already.
    """
    if storm_began is not None and in_storm:
        return True
    if is_first:
        return lately >= rule.most
    return storm_began is not None and owed_at >= storm_began - timedelta(seconds=rule.within_seconds)


def storm_due(kind: str, began_at: datetime, calls: bool, now: datetime, rule: StormRule) -> datetime:
    """When the message about a storm is due. A phone rings once more only when a person is needed."""
    gather = timedelta(seconds=rule.gather_seconds)
    if kind != RINGING:
        return began_at + gather
    return now + gather if calls else began_at + timedelta(seconds=rule.close_seconds)


def update(view: StormView, now: datetime, rule: StormRule) -> Update:
    """What becomes of a storm whose next message is due."""
    rings = view.kind == RINGING
    if view.told_at is None:
        quiet = rings and not view.needs_human
        return Update(not quiet, "nobody is needed for it" if quiet else "many incidents at once", goes_on=not quiet)
    if rings and view.needs_human > view.counted:
        return _rings_again(view, view.told_at, now)
    ends_at = view.began_at + timedelta(seconds=rule.close_seconds)
    if view.healing and now < ends_at:
        return Update(False, "some are still being healed", min(now + LOOK_AGAIN, ends_at))
    return Update(view.changed and not rings, "all are decided" if not view.healing else "it has lasted long enough")


def _rings_again(view: StormView, told_at: datetime, now: datetime) -> Update:
    """More of it need a person than a phone rang for. Who has not looked since is not woken by one more message, and
    sees them all as soon as they look; who has taken over what they were told of would not know of the others."""
    if now < told_at + (SOON if view.answered else HOUR):
        return Update(False, "who was told has not answered yet", now + LOOK_AGAIN)
    return Update(True, "more of them need a person", goes_on=bool(view.healing))


def budget_of(plan: ChannelPlan) -> Budget | None:
    """How much a channel carries: as configured, else as its kind."""
    return plan.budget or BUDGETS.get(plan.kind)


def pause_of(kind: str) -> timedelta:
    """After a channel's last message no call waits longer than this for its budget; a reminder does."""
    return RINGS_AFTER if kind == RINGING else SOON


def room_at(
    budget: Budget, carried: Sequence[datetime], calls: bool, now: datetime, pause: timedelta | None = None
) -> datetime | None:
    """When a channel has room again; None where it has some now. Half of it is kept for what calls a person.

    Args:
        carried: when it was given its last messages, oldest first.
        pause: so long after the last one it is told all the same; None: not before there is room.
    """
    most = budget.most if calls else max(1, budget.most - budget.most // 2)
    within = timedelta(seconds=budget.within_seconds)
    lately = [at for at in carried if now - at < within]
    if len(lately) < most:
        return None
    room = lately[-most] + within
    at = min(room, lately[-1] + pause) if pause else room
    return at if at > now else None
