"""Whether this machine has lost its own connection, where it looks as if everything else had failed at once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from recovery.decide.holding import Hold
from recovery.model import FailureType, Policy, Reading

CONNECTIVITY = "connectivity"
WITHIN = timedelta(seconds=60)
UNANSWERED = (FailureType.API_TIMEOUT, FailureType.SERVER_UNRESPONSIVE, FailureType.DATABASE_CONNECTION)


class Silence(NamedTuple):
    """A host that does not answer our looks, and since when."""

    host: str
    since: datetime


def is_unanswered(reading: Reading) -> bool:
    """Whether nothing came back. An error is an answer, and so is a slow one: the way there works."""
    return not reading.healthy and reading.latency_ms is None and reading.failure_type in UNANSWERED


def silent_hosts(silences: Collection[Silence]) -> list[str]:
    """The hosts that fell silent together with the one that did so last."""
    if not silences:
        return []
    last = max(silence.since for silence in silences)
    return sorted({silence.host for silence in silences if last - silence.since <= WITHIN})


def is_suspicious(silences: Collection[Silence], policy: Policy) -> bool:
    """Whether so many unrelated hosts fell silent at once that the anchors are to be asked."""
    return bool(policy.anchors) and len(silent_hosts(silences)) >= policy.offline_at


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
        "back; look at this machine's network"
    )


def hold_offline(component: str, policy: Policy, since: datetime) -> Hold | None:
    """Why a component is left alone while this machine is offline; None for what is looked at on the machine itself."""
    plan = policy.component(component)
    if component == CONNECTIVITY or (plan.check and not plan.outside):
        return None
    return Hold(f"n8n-medic's own machine has been offline since {since:%Y-%m-%d %H:%M} UTC: what it sees is no proof")
