"""How a check, an action or a channel announces itself: one file, one decorated function, one `Args` model."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Plugin", "Registry"]

EVERY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Plugin:
    """One announced plugin.

    Fields:
        run: the decorated function, `(args, doors) -> answer`; an action also takes what it is `About`, a channel the
            message.
        args: the pydantic model of its arguments, whose fields are the configuration's schema.
        safe_to_repeat: running it twice does no more than running it once.
        remembers: it is given its past too: `(args, doors, past)`.
        waits: it is a coroutine, and runs on the event loop.
        every_seconds: how often a check looks where the configuration does not say.
        hears: it knows only what is pushed, so that it confirms nothing: it is looked at for silence alone.
        restarts: it restarts something of its host, so that only one of its kind runs there at a time.
        approval: it needs a person's yes unless the configuration says otherwise.
        preview: of an action, `(args, doors, about)`: what it would do, in words after "would"; it only looks.
        back: of an action, `(args, doors, about)`: undoes its last `Done`, whose memory is in `about`.
        through_n8n: of a channel: its messages travel through n8n, whatever is configured.
        doc: its docstring.
        module: where it lives.
    """

    name: str
    run: Callable[..., Any]
    args: type[Any]
    safe_to_repeat: bool
    doc: str
    module: str
    remembers: bool = False
    waits: bool = False
    every_seconds: float = EVERY_SECONDS
    hears: bool = False
    restarts: bool = False
    approval: bool = False
    preview: Callable[..., str] | None = None
    back: Callable[..., Any] | None = None
    through_n8n: bool = False


class Registry:
    """The plugins of one package, by name."""

    def __init__(self, word: str):
        self.word = word
        self._found: dict[str, Plugin] = {}

    def announce(
        self,
        name: str,
        *,
        safe_to_repeat: bool = True,
        remembers: bool = False,
        every_seconds: float = EVERY_SECONDS,
        hears: bool = False,
        restarts: bool = False,
        approval: bool = False,
        preview: Callable[..., str] | None = None,
        back: Callable[..., Any] | None = None,
        through_n8n: bool = False,
    ) -> Callable[..., Callable[..., Any]]:
        """Decorator for the plugin's function. The module must hold its `Args`.

        Raises:
            TypeError: no docstring, no `Args`, an action without preview, or a name taken twice: both files are named.
        """

        def keep(run: Callable[..., Any]) -> Callable[..., Any]:
            module = sys.modules[run.__module__]
            self._check(name, run, module)
            if self.word == "action" and preview is None:
                raise TypeError(f"action {name!r} in {module.__file__} has no preview, for dry runs")
            facts: dict[str, Any] = {"remembers": remembers, "waits": inspect.iscoroutinefunction(run), "hears": hears}
            facts |= {"restarts": restarts, "approval": approval, "preview": preview, "back": back}
            facts |= {"through_n8n": through_n8n}
            doc = str(run.__doc__)
            self._found[name] = Plugin(
                name, run, module.Args, safe_to_repeat, doc, module.__name__, every_seconds=every_seconds, **facts
            )
            return run

        return keep

    def _check(self, name: str, run: Callable[..., Any], module: Any) -> None:
        if not run.__doc__:
            raise TypeError(f"{self.word} {name!r} in {module.__file__} has no docstring")
        if not hasattr(module, "Args"):
            raise TypeError(f"{self.word} {name!r} in {module.__file__} has no Args model")
        taken = self._found.get(name)
        if taken and taken.module != module.__name__:
            raise TypeError(f"{self.word} {name!r} is in {module.__file__} and in {taken.module} too")

    def import_all(self, package: str, path: list[str]) -> None:
        """Import every file of the package, so that each announces itself."""
        for found in pkgutil.iter_modules(path):
            importlib.import_module(f"{package}.{found.name}")

    def find(self, name: str) -> Plugin:
        """The plugin of that name.

        Raises:
            KeyError: there is none; the names that exist are listed.
        """
        if name not in self._found:
            raise KeyError(f"no {self.word} named {name!r}; there are {', '.join(sorted(self._found))}")
        return self._found[name]

    def all(self) -> list[Plugin]:
        """All of them, by name."""
        return [self._found[name] for name in sorted(self._found)]
