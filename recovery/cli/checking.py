"""Runs components' checks by hand."""

from typing import Any

import click

from recovery import checks
from recovery.clock import utc_now
from recovery.config import Component, Config
from recovery.model import Past, Reading

HEARING = ("heartbeat", "pushed")  # these judge what n8n-medic was told: without it they would call anything well


def look_at(config: Config, name: str) -> Reading:
    """Run the component's check once.

    Raises:
        KeyError: no such component, or it has no check.
    """
    component = config.component(name)
    if component.check is None:
        raise KeyError(f"the component {name!r} has no check in the configuration")
    from recovery.outside.doors import OpenDoors

    memory, beat = _heard_of(config, name) if component.check.kind in HEARING else ({}, {})
    return look(component, OpenDoors(config), memory, beat)


def _heard_of(config: Config, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the last look at a component kept, and what was heard of it; nothing where no database can say."""
    from recovery.cli.commands import has_history, open_database
    from recovery.store import components

    if not has_history(config):
        return {}, {}
    try:
        open_database(config)
    except click.ClickException as away:
        click.echo(f"Without what was heard of it so far: {away.message}", err=True)
        return {}, {}
    row = components.find_components([name]).get(name)
    return (row.memory or {}, row.beat or {}) if row else ({}, {})


def look(component: Component, doors: Any, memory: dict[str, Any], beat: dict[str, Any] | None = None) -> Reading:
    """Run the check of a component that has one; `memory` is what its last look kept, `beat` what was heard of it."""
    assert component.check is not None
    plugin = checks.REGISTRY.find(component.check.kind)
    past = (Past(utc_now(), memory, beat or {}),) if plugin.remembers else ()
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
