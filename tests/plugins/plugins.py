"""What the tests of the plugins share: example arguments made from their own fields, and doors that fail."""

from typing import Any

from recovery import actions, checks
from recovery.clock import utc_now
from recovery.model import About, DoorError, Past, Plugin
from recovery.outside.background import Background

ALL: list[tuple[str, Plugin]] = [
    (registry.word, plugin) for registry in (checks.REGISTRY, actions.REGISTRY) for plugin in registry.all()
]
BACKGROUND = Background()  # the one event loop of these tests
NAMES = [f"{word} {plugin.name}" for word, plugin in ALL]


def example_args(plugin: Plugin, **more: Any) -> Any:
    """The plugin's `Args` with the first example of each field that must be given, or as the whole says for itself."""
    extra = plugin.args.model_config.get("json_schema_extra") or {}
    given = dict(extra.get("example", {}))
    given |= {name: field.examples[0] for name, field in plugin.args.model_fields.items() if field.is_required()}
    return plugin.args.model_validate(given | more)


def run_plugin(plugin: Plugin, args: Any, doors: Any, memory: dict[str, Any] | None = None) -> Any:
    """What a plugin answers, whether it waits on an event loop, or remembers, or neither."""
    past = (Past(utc_now(), memory or {}),) if plugin.remembers else ()
    past = (About("orders", utc_now(), memory=memory or {}),) if plugin.preview else past
    found = plugin.run(args, doors, *past)
    return BACKGROUND.run(found) if plugin.waits else found


class FailingDoors:
    """Doors that do nothing but fail, in one way."""

    def __init__(self, problem: DoorError):
        self._problem = problem

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *args: object, **more: object) -> Any:
        raise self._problem
