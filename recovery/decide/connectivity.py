"""Whether this machine has lost its own connection, where it looks as if everything else had failed at once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from recovery.decide.holding import Hold
from recovery.model import CONNECTIVITY, ComponentPlan, FailureType, Policy, Reading

WITHIN = timedelta(seconds=60)
GRACE = timedelta(seconds=15)  # once it is back, what fell silent is looked at before anything is believed
UNANSWERED = frozenset(map(FailureType, "api_timeout server_unresponsive database_connection n8n_unready".split()))
LISTENING = ("heartbeat",)


class Silence(NamedTuple):
    """A host that does not answer our looks, and since when."""

    host: str
    since: datetime


class Phase(StrEnum):
    """Of a machine's connection: there, gone, or back for so short a time that it is not trusted yet."""

    ONLINE = "online"
    OFFLINE = "offline"
    RETURNING = "returning"


@dataclass(frozen=True, slots=True)
class Standing:
    """How this machine's connection stands.

    Fields:
        since: when it went offline. back_at: when it came back.
        by_anchor: it came back because an anchor answered; else because the hosts did.
    """

    phase: Phase = Phase.ONLINE
    since: datetime | None = None
    back_at: datetime | None = None
    by_anchor: bool = False


def is_unanswered(reading: Reading) -> bool:
    """Whether nothing came back. An error is an answer, and so is a slow one: the way there works."""
    return reading.healthy is False and reading.latency_ms is None and reading.failure_type in UNANSWERED


def only_listens(plan: ComponentPlan) -> bool:
    """Whether a component is known by what others send, which reaches no machine that is offline."""
    return plan.check is None or plan.check.name in LISTENING


def silent_hosts(silences: Collection[Silence]) -> list[str]:
    """The hosts that fell silent together with the one that did so last."""
    if not silences:
        return []
    last = max(silence.since for silence in silences)
    return sorted({silence.host for silence in silences if last - silence.since <= WITHIN})


def is_suspicious(silences: Collection[Silence], policy: Policy, now: datetime) -> bool:
    """Whether so many unrelated hosts fell silent at once, just now, that the anchors are to be asked."""
    if not policy.anchors or len(silent_hosts(silences)) < policy.offline_at:
        return False
    return not has_passed(max(silence.since for silence in silences), WITHIN, now)


def move_on(
    standing: Standing, reached: bool | None, silences: Collection[Silence], policy: Policy, now: datetime
) -> Standing:
    """How the connection stands now; `reached`: whether an anchor took a connection, None where none was asked."""
    if standing.phase is Phase.ONLINE:
        lost = reached is False and is_suspicious(silences, policy, now)
        return Standing(Phase.OFFLINE, since=now) if lost else standing
    # A worker that has just begun knows of no silence yet, so for a minute the anchors alone decide.
    answering = len({one.host for one in silences}) < policy.offline_at and has_passed(standing.since, WITHIN, now)
    if standing.phase is Phase.OFFLINE:
        back = reached is True or answering
        return Standing(Phase.RETURNING, standing.since, now, reached is True) if back else standing
    if reached is False and (standing.by_anchor or not answering):
        return Standing(Phase.OFFLINE, standing.since)
    proved = reached is True or (answering and not standing.by_anchor)
    return Standing() if proved and has_passed(standing.back_at, GRACE, now) else standing


def has_passed(since: datetime | None, span: timedelta, now: datetime) -> bool:
    """Whether so much time has passed; a time that is still to come was told by a clock that has been set back."""
    return since is None or not timedelta(0) <= now - since < span


def whom_to_ask(silences: Mapping[str, Silence], policy: Policy, most: int) -> list[str]:
    """Components at other hosts, one of each, that tell soon whether the silence is theirs alone."""
    taken = {silence.host for silence in silences.values()}
    found: list[str] = []
    for name, plan in policy.components.items():
        if plan.outside and plan.outside not in taken and len(found) < most:
            taken.add(plan.outside)
            found.append(name)
    return found


def say_offline(hosts: Sequence[str], policy: Policy) -> str:
    """In words, for people: why everything is left alone."""
    shown = ", ".join(hosts[:5]) + (f" and {len(hosts) - 5} more" if len(hosts) > 5 else "")
    return (
        f"n8n-medic's own machine seems to be offline: {len(hosts)} unrelated hosts fell silent at once ({shown}), and "
        f"so did what proves its connection ({', '.join(policy.anchors)}). What lies outside is left alone until it is "
        "back; look at this machine's network and name server"
    )


def hold_offline(component: str, policy: Policy, silences: Mapping[str, Silence], since: datetime) -> Hold | None:
    """Why a component is left alone while this machine is offline; None for one of which something is known.

    That is what is looked at on the machine itself, and what answers, be it with an error.
    """
    plan = policy.component(component)
    if component == CONNECTIVITY:
        return None
    if not only_listens(plan) and not (plan.outside and component in silences):
        return None
    return Hold(f"n8n-medic's own machine has been offline since {since:%Y-%m-%d %H:%M} UTC: what it sees is no proof")
