"""Runs components' checks by hand."""

from typing import Any

from recovery import checks
from recovery.clock import utc_now
from recovery.config import Component, Config
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

    return look(component, OpenDoors(config), {})


def look(component: Component, doors: Any, memory: dict[str, Any]) -> Reading:
    """Run the check of a component that has one; `memory` is what its last look kept."""
    assert component.check is not None
    plugin = checks.REGISTRY.find(component.check.kind)
    past = (Past(utc_now(), memory),) if plugin.remembers else ()
    found: Any = plugin.run(plugin.args.model_validate(component.check.arguments), doors, *past)
    reading: Reading = doors.background.run(found) if plugin.waits else found
    return reading


def show_reading(name: str, reading: Reading) -> str:
    """A reading in words."""
    if reading.healthy is None:
        return f"{name} cannot be looked at, only heard of: {reading.because}"
    state = "healthy" if reading.healthy else f"not healthy ({reading.failure_type or 'failure'})"
    took = f" in {reading.latency_ms:.0f} ms" if reading.latency_ms is not None else ""
    lasting = f"; over its limit now: {', '.join(over)} (counts if it lasts)" if (over := over_limits(reading)) else ""
    return f"{name} is {state}: {reading.because}{took}{lasting}"


def over_limits(reading: Reading) -> list[str]:
    """What a check that looked for the first time found over its limit, and does not count before that has lasted."""
    since = (reading.memory or {}).get("since")
    return sorted(since) if reading.healthy and isinstance(since, dict) else []
