"""What was done lately, as the brakes want to know it before an action is run."""

from datetime import datetime, timedelta
from typing import NamedTuple

from recovery.decide import brakes
from recovery.model import PlannedAction, Policy
from recovery.store import acted
from recovery.store.tables import StepRow

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
    wanted = _Wanted(action.name, component, host_of(action), playbook, recovery)
    acting, restarting = acted.find_acting(component, now), acted.find_restarting(wanted.host, now)
    if acting or restarting:  # that alone makes it wait; where many wait for one host, each look counts
        return brakes.Lately(acting=acting, restarting=restarting)
    return _look(wanted, policy, now)


def look_again(step: StepRow, playbook: str, policy: Policy, now: datetime) -> brakes.Lately:
    """The same just before a step of a recovery begins. It is allowed already, so that it does not count itself."""
    wanted = _Wanted(step.name, step.component, step.host, playbook, step.recovery_id or NO_RECOVERY, step.id)
    return _look(wanted, policy, now)


class _Wanted(NamedTuple):
    """What is to be run: by which playbook, in which recovery, as which step; `host`: where it restarts something."""

    action: str
    component: str
    host: str | None
    playbook: str
    recovery: int
    step: int = 0


def _look(one: _Wanted, policy: Policy, now: datetime) -> brakes.Lately:
    return brakes.Lately(
        same=acted.find_begun(one.component, one.action, now - brakes.DAY),
        all=acted.count_begun(now - brakes.DAY, now - brakes.HOUR, one.step),
        acted_at=acted.last_acted(one.component, one.recovery),
        doubt=acted.find_doubt(one.component, one.host, now),
        in_vain=acted.count_in_vain(one.component, one.playbook, policy.brakes.breaker),
        starting=_starting(one, policy, now),
    )


def _starting(one: _Wanted, policy: Policy, now: datetime) -> tuple[str, datetime] | None:
    """A server that was rebooted comes up within the time that the component has for which it was."""
    ends = []
    for component, at in acted.find_rebooted(one.host, now - brakes.HOUR, one.recovery):
        playbook = policy.component(component).playbook
        ends.append(at + timedelta(seconds=playbook.boot_grace_seconds if playbook else 0.0))
    return (str(one.host), max(ends)) if ends else None


def host_of(action: PlannedAction) -> str | None:
    """Where it restarts something; None where it does not."""
    if not action.restarts:
        return None
    args = action.args
    ways = [args, *(args.get(way) or {} for way in ("remote", "agent", "ipmi", "redfish") if _is_way(args.get(way)))]
    names = [way.get(key) for way in ways for key in ("host", "agent", "url")]
    return str(next((name for name in names if name and isinstance(name, str)), "this machine"))


def _is_way(value: object) -> bool:
    """Whether an argument says how, in keys of its own, and is not a name."""
    return isinstance(value, dict)
