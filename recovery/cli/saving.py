"""Saves a person's workflow with another error workflow, and looks that nothing else of it is changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recovery.decide.coverage import has_draft
from recovery.model import N8nError, N8nWiring

NONE = "DEFAULT"  # n8n takes the setting out where it reads so
# What n8n's API takes; it keeps the settings that it is not given.
SETTINGS = frozenset((
    "saveExecutionProgress", "saveManualExecutions", "saveDataErrorExecution", "saveDataSuccessExecution",
    "executionTimeout", "timezone", "executionOrder", "callerPolicy", "callerIds", "timeSavedMode",
    "timeSavedPerExecution", "redactionPolicy", "availableInMCP", "customTelemetryTags",
))  # fmt: skip


@dataclass
class Saving:
    """One save of one workflow.

    Fields:
        row: the workflow as it was read just now.
        keeps_drafts: this n8n was seen to leave a draft unpublished.
        notes: what came out otherwise than meant.
    """

    door: N8nWiring
    row: Mapping[str, Any]
    keeps_drafts: bool
    notes: list[str] = field(default_factory=list)

    def why_not(self, expected: Any) -> str:
        """Why it is not saved; "" where it may be. `expected`: the error workflow that it was planned for."""
        if self.row.get("isArchived"):
            return "it was archived meanwhile"
        settings = self.row.get("settings")
        if not isinstance(settings, Mapping) or settings.get("errorWorkflow") != expected:
            return "its error workflow was changed meanwhile; it is left as it is"
        if has_draft(self.row) and not self.keeps_drafts:
            return "it has an unpublished draft, and this n8n was not seen to leave drafts unpublished"
        return ""

    def name_error_workflow(self, handler: str | None) -> str:
        """Save it with that error workflow, None for none; its id. Raises N8nError where it is as it was."""
        workflow_id = str(self.row["id"])
        kept = {key: value for key, value in (self.row.get("settings") or {}).items() if key in SETTINGS}
        body = {key: self.row.get(key) for key in ("name", "nodes", "connections")}
        body["settings"] = kept | {"errorWorkflow": NONE if handler is None else handler}
        try:
            saved = self.door.save_workflow(workflow_id, body)
        except N8nError as error:
            self._bring_back(workflow_id, error)
            raise
        self._compare(saved, handler)
        return workflow_id

    def _bring_back(self, workflow_id: str, error: N8nError) -> None:
        """n8n takes a workflow down where its triggers do not start again: then put it back."""
        if not (error.permanent and self.row.get("active")):
            return
        now = self.door.workflow(workflow_id)
        if now is None or now.get("active"):
            return
        version = str(self.row.get("activeVersionId"))
        try:
            self.door.publish(workflow_id, version)
        except N8nError as again:
            told = f"{error}; n8n has UNPUBLISHED it, and does not publish it again ({again}): publish it by hand"
            raise N8nError(told, error.kind, True) from None

    def _compare(self, saved: Mapping[str, Any], handler: str | None) -> None:
        """See that what came out is what was meant."""
        was = self.row.get("activeVersionId")
        if self.row.get("active") and saved.get("activeVersionId") != was:
            self.door.publish(str(self.row["id"]), str(was))
            self.notes.append("n8n published its draft; the version that was live is live again")
        if saved.get("versionId") != self.row.get("versionId"):
            version = saved.get("versionId")
            self.notes.append(f"it was saved by somebody at the same moment: look at the versions before {version}")
        wanted = {key: value for key, value in (self.row.get("settings") or {}).items() if key != "errorWorkflow"}
        if handler is not None:
            wanted["errorWorkflow"] = handler
        got = saved.get("settings") or {}
        odd = sorted(key for key in wanted.keys() | got.keys() if wanted.get(key) != got.get(key))
        if odd:
            self.notes.append(f"n8n has changed its settings beyond that: {', '.join(odd)}")
