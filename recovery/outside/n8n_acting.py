"""What n8n is asked to change: which version of a workflow is live, and executions to be stopped."""

import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from recovery.model import N8nError
from recovery.outside.n8n_watching import ID_SHAPE

__all__ = ["N8nActingDoor"]

LOOK_AGAIN_SECONDS = 0.2


class N8nActingDoor:
    """The part of an n8n's door that changes something; implements `N8nActing`."""

    _ask: Any
    _refuse: Callable[[Any, str], NoReturn]
    _object: Any
    _where: str
    webhook_methods: Callable[[str], frozenset[str]]
    ready: Callable[[], str]

    def publish(self, workflow_id: str, version_id: str) -> dict[str, Any]:
        """Publish one version; see `N8nActing`. Needs the scope workflow:activate.

        The address is `/publish` and never the older `/activate`: an n8n that knows it knows versions too, and one that
        does not must not be made to publish a draft.
        """
        if not (ID_SHAPE.fullmatch(workflow_id) and ID_SHAPE.fullmatch(version_id)):
            raise N8nError("n8n has no workflow with such an id or version", "not_found", permanent=True)
        answer = self._ask("POST", f"/api/v1/workflows/{workflow_id}/publish", {}, body={"versionId": version_id})
        if answer.status == 405 or (answer.status == 404 and answer.why == "not found"):
            message = f"n8n at {self._where} is too old to publish a version by its name: update n8n"
            raise N8nError(message, "too_old", permanent=True)
        if answer.status != 200:
            self._refuse(answer, "workflow:activate")
        published: dict[str, Any] = self._object(answer)
        return published

    def await_webhook(self, path: str, method: str, timeout_seconds: float) -> bool:
        """Whether a webhook is registered in time: n8n says that it has published before the webhook answers."""
        until = time.monotonic() + timeout_seconds
        while method not in self.webhook_methods(path):
            if time.monotonic() + LOOK_AGAIN_SECONDS > until:
                return False
            threading.Event().wait(LOOK_AGAIN_SECONDS)
        return True

    def await_ready(self, timeout_seconds: float) -> str:
        """Why n8n is not ready, after so long; "" as soon as it is."""
        until = time.monotonic() + timeout_seconds
        while unready := self.ready():
            if time.monotonic() + LOOK_AGAIN_SECONDS > until:
                return unready
            threading.Event().wait(LOOK_AGAIN_SECONDS)
        return ""

    def stop(self, execution_id: str) -> bool:
        """Stop an execution; see `N8nActing`. Needs the scope execution:stop."""
        if not (execution_id.isascii() and execution_id.isdigit()):
            raise N8nError("n8n has no execution with such an id", "not_found", permanent=True)
        answer = self._ask("POST", f"/api/v1/executions/{execution_id}/stop", {})
        if answer.status == 409 or (answer.status == 404 and answer.why not in ("", "not found")):
            return False
        if answer.status == 405 or (answer.status == 404 and answer.why == "not found"):
            message = f"n8n at {self._where} is too old to stop an execution through its API: update n8n"
            raise N8nError(message, "too_old", permanent=True)
        if answer.status != 200:
            self._refuse(answer, "execution:stop")
        return True
