"""What was done lately, as the brakes want to know it before an action is run."""

from datetime import datetime

from recovery.decide import brakes
from recovery.model import PlannedAction, Policy
from recovery.store import acted

NO_RECOVERY = 0


def look_lately(
    action: PlannedAction,
    component: str,
    policy: Policy,
    now: datetime,
    playbook: str = "",
    recovery: int = NO_RECOVERY,
) -> brakes.Lately:
    """What was done on a component, its host and everywhere, as far as this action is concerned.

    Args:
        playbook, recovery: by which, and in which recovery, it is to be run; without them a person runs it by hand.
    """
    host = host_of(action)
    return brakes.Lately(
        same=acted.find_begun(component, action.name, now - brakes.DAY),
        all=acted.count_begun(now - brakes.DAY, now - brakes.HOUR),
        acted_at=acted.last_acted(component, recovery),
        acting=acted.find_acting(component, now),
        restarting=acted.find_restarting(host, now),
        doubt=acted.find_doubt(component, host, now),
        in_vain=acted.count_in_vain(component, playbook, policy.brakes.breaker),
    )


def host_of(action: PlannedAction) -> str | None:
    """Where it restarts something; None where it does not."""
    if not action.restarts:
        return None
    args = action.args
    controller = (args.get("ipmi") or {}).get("host") or (args.get("redfish") or {}).get("url")
    return str(args.get("host") or args.get("agent") or controller or "this machine")
