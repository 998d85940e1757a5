"""Whether a scoped token opens an address: those that live inside n8n, and are never the operator's."""

from typing import Any

from recovery.model.scopes import SCOPES, Scope
from webhook_server.problems import Problem
from webhook_server.secrets import plain, same_secret


def scopes_of(config: Any, given: str) -> list[Scope]:
    """The scopes that hold this token; none where it is no scoped token."""
    return [scope for scope in SCOPES if same_secret(given, plain(getattr(config, scope.setting)))]


def opens(config: Any, given: str, method: str, path: str) -> bool:
    """Whether `given` is a scoped token that is good for this call."""
    return any(scope.opens(method, path) for scope in scopes_of(config, given))


def refuse_elsewhere(config: Any, given: str, method: str, path: str) -> None:
    """Tell whoever shows a scoped token where it is no good what it is good for; nothing where it is none.

    Raises:
        Problem: 403, it is one.
    """
    if held := scopes_of(config, given):
        good_for = " and ".join(f"the `{scope.name}` token, with which one may {scope.meaning}" for scope in held)
        raise Problem(403, "Forbidden", f"this is {good_for}; {method} {path[:100]} is not part of that")
