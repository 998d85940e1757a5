"""What may be changed in an n8n, beside a retry."""

from datetime import datetime
from typing import Any, Protocol

from recovery.model.sights import N8nNumbers

__all__ = ["N8nActing", "N8nWiring"]


class N8nActing(Protocol):
    """The part of an n8n's door that actions use. Every method raises N8nError where n8n does not do it."""

    def publish(self, workflow_id: str, version_id: str) -> dict[str, Any]:
        """Publish that version, which must be saved already; n8n takes down what was live of the workflow before.

        The version that is live may be published again: its webhooks and schedules are then registered anew. Of the
        kind "too_old" where this n8n cannot publish a version by name.
        """

    def await_webhook(self, path: str, method: str, timeout_seconds: float) -> bool:
        """Whether a production webhook is registered, at the latest after so long; nothing is run."""

    def await_ready(self, timeout_seconds: float) -> str:
        """ "" as soon as n8n says that it is ready; else what it said, or that it did not answer, after so long."""

    def stop(self, execution_id: str) -> bool:
        """Stop what runs; False where it is over, or gone. It is `canceled` then, and is not run again."""


class N8nWiring(N8nActing, Protocol):
    """The part of an n8n's door that connects it to n8n-medic. Every method raises N8nError where n8n refuses."""

    site: str

    def readiness(self) -> str:
        """ "" where n8n is ready, else what is wrong, in words."""

    def key_scopes(self) -> frozenset[str]:
        """What the API key may do. Of the kind "too_old" where this n8n cannot tell."""

    def key_ends(self) -> datetime | None:
        """When the API key ends, as the key itself says; None where it does not."""

    def numbers(self) -> N8nNumbers:
        """What n8n's `/metrics` tell, its version among it; nothing where they are switched off."""

    def workflow(self, workflow_id: str) -> dict[str, Any] | None:
        """A workflow with its tags; None where it is gone."""

    def workflows(self) -> list[dict[str, Any]]:
        """All workflows, published or not, with their nodes."""

    def create_workflow(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make a workflow of `name`, `nodes`, `connections` and `settings`; it is not published."""

    def save_workflow(self, workflow_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Save it anew, and never publish what was not live before.

        Where only the settings differ there is no new version, and n8n lets what is live go on with the new settings.
        """

    def unpublish(self, workflow_id: str) -> None:
        """Take it down; one that is down or gone is left as it is."""

    def delete_workflow(self, workflow_id: str) -> None:
        """Delete it, which n8n refuses for one that is published; one that is gone is left so."""

    def credentials(self) -> list[dict[str, Any]]:
        """All credentials, without anything secret: `id`, `name`, `type`, `updatedAt`."""

    def create_credential(self, name: str, kind: str, data: dict[str, Any]) -> str:
        """Make a credential; its id."""

    def change_credential(self, credential_id: str, data: dict[str, Any]) -> None:
        """Write what is in a credential anew."""

    def delete_credential(self, credential_id: str) -> None:
        """Delete it; one that is gone is left so."""

    def tags(self) -> list[dict[str, Any]]:
        """All tags: `id` and `name`."""

    def create_tag(self, name: str) -> str:
        """Make a tag; its id."""

    def delete_tag(self, tag_id: str) -> None:
        """Delete it; one that is gone is left so."""

    def executions(
        self, status: str = "", workflow_id: str = "", started_after: str = "", cursor: str = "", limit: int = 100
    ) -> tuple[list[dict[str, Any]], str]:
        """One page of executions, newest first, and the cursor of the next ("" at the end)."""

    def execution(self, execution_id: str, with_data: bool = False) -> dict[str, Any] | None:
        """One execution; None where it is gone."""

    def call_webhook(self, path: str) -> int:
        """POST to a production webhook; the status of the answer."""
