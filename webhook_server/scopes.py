"""Whether a scoped token opens an address: those that live inside n8n, and are never the operator's."""

from typing import Any

from recovery.model.scopes import SCOPES
from webhook_server.problems import Problem
from webhook_server.secrets import plain, same_secret


def is_let_in(config: Any, given: str, method: str, path: str) -> bool:
    """Whether `given` is a scoped token that is good for this call; False where it is no scoped token at all.

    Raises:
        Problem: 403, it is one, and good for other addresses.
    """
    held = [scope for scope in SCOPES if same_secret(given, plain(getattr(config, scope.setting)))]
    if not held:
        return False
    if any(scope.opens(method, path) for scope in held):
        return True
    good_for = " and ".join(f"the `{scope.name}` token, with which one may {scope.meaning}" for scope in held)
    raise Problem(403, "Forbidden", f"this is {good_for}; {method} {path[:100]} is not part of that")
