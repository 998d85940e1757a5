"""Which endpoint of a component is live: its primary, or the standby that a failover has switched to."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from recovery.model.moments import read_aware
from recovery.model.plans import Policy

FAILOVER = "failover"

__all__ = ["failover_of", "live_of", "live_since"]


def live_of(urls: Sequence[str], memory: Mapping[str, Any]) -> str:
    """The address that is live. The first is the primary; a remembered one that is no longer configured counts not.

    Args:
        memory: what the action `failover` last remembered; {} where it never switched.
    """
    live = memory.get("live")
    return live if isinstance(live, str) and live in urls else urls[0]


def live_since(memory: Mapping[str, Any]) -> datetime | None:
    """When it was switched to; None where it never was."""
    return read_aware(memory.get("at"))


def failover_of(policy: Policy, component: str) -> list[str]:
    """The addresses of a component's endpoints, the primary's first; [] where it has no action `failover`."""
    plan = policy.component(component)
    own = (*(plan.playbook.actions if plan.playbook else ()), *plan.actions.values())
    rules = [rule for rule in policy.playbooks if component in rule.match.components]
    written = [one for rule in rules for stage in rule.stages for one in stage.actions or ()]
    for action in (*own, *written):
        if action.name == FAILOVER:
            found = action.args.get("endpoints") or ()
            return [str(one["url"] if isinstance(one, Mapping) else one) for one in found]
    return []
