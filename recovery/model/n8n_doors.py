"""What may be changed in an n8n, beside a retry."""

from typing import Any, Protocol

__all__ = ["N8nActing"]


class N8nActing(Protocol):
    """The part of an n8n's door that actions use. Every method raises N8nError where n8n does not do it."""

    def publish(self, workflow_id: str, version_id: str) -> dict[str, Any]:
        """Publish that version, which must be saved already; n8n takes down what was live of the workflow before.

        The version that is live may be published again: its webhooks and schedules are then registered anew. Of the
        kind "too_old" where this n8n cannot publish a version by name.
        """

    def await_webhook(self, path: str, method: str, timeout_seconds: float) -> bool:
        """Whether a production webhook is registered, at the latest after so long; nothing is run."""

    def stop(self, execution_id: str) -> bool:
        """Stop what runs; False where it is over, or gone. It is `canceled` then, and is not run again."""
