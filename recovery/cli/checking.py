"""Runs one component's check by hand."""

from recovery import checks
from recovery.clock import utc_now
from recovery.config import Config
from recovery.model import Past, Reading


def look_at(config: Config, name: str) -> Reading:
    """Run the component's check once.

    Raises:
        KeyError: no such component, or it has no check.
    """
    component = config.component(name)
    if component.check is None:
        raise KeyError(f"the component {name!r} has no check in the configuration")
    from recovery.outside.doors import OpenDoors

    plugin, doors = checks.REGISTRY.find(component.check.kind), OpenDoors(config)
    past = (Past(utc_now()),) if plugin.remembers else ()
    found = plugin.run(plugin.args.model_validate(component.check.arguments), doors, *past)
    return doors.background.run(found) if plugin.waits else found


def show_reading(name: str, reading: Reading) -> str:
    """A reading in words."""
    if reading.healthy is None:
        return f"{name} cannot be looked at, only heard of: {reading.because}"
    state = "healthy" if reading.healthy else f"not healthy ({reading.failure_type or 'failure'})"
    took = f" in {reading.latency_ms:.0f} ms" if reading.latency_ms is not None else ""
    return f"{name} is {state}: {reading.because}{took}"
