"""One look of a check of n8n, as the worker would take it."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from recovery.checks import REGISTRY
from recovery.clock import utc_now
from recovery.model import Past, Reading

NOW = timedelta(0)


def look(kind: str, door: Any, later: timedelta = NOW, memory: dict[str, Any] | None = None, **args: Any) -> Reading:
    """What a check says of the n8n behind `door`, that much later, with what it remembers of the look before."""
    plugin = REGISTRY.find(kind)
    doors = SimpleNamespace(n8n=lambda site: door if site == "default" else None)
    past = (Past(utc_now() + later, memory or {}),) if plugin.remembers else ()
    reading: Reading = plugin.run(plugin.args.model_validate(args), doors, *past)
    return reading
