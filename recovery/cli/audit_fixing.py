"""Mends what an audit has found: each fix is shown, asked about and done by itself, as `medic connect` and the action
`republish_workflow` do it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import click

from recovery.actions import REGISTRY
from recovery.cli.connecting import note_settled, one_at_a_time
from recovery.cli.proving import Proof, remove_canaries
from recovery.cli.shipped_files import HANDLER
from recovery.cli.wiring import Wirer
from recovery.clock import utc_now
from recovery.config import Config
from recovery.decide.auditing import to_fix
from recovery.decide.coverage import error_workflow_of, has_draft, why_rewritten
from recovery.model import (
    About,
    Audit,
    AuditFinding,
    Change,
    ChangeKind,
    Done,
    Doors,
    FailureType,
    Fix,
    N8nError,
    N8nWiring,
)

BY_HAND = "set it by hand, in its Settings > Error workflow"


@dataclass(frozen=True, slots=True)
class _OneN8n:
    """The only door that publishing again goes through."""

    door: N8nWiring

    def n8n(self, name: str) -> Any:
        return self.door if name == self.door.site else None


@dataclass
class Fixing:
    """The fixes of one n8n. `yes`: nobody is asked."""

    config: Config
    door: N8nWiring
    found: Audit
    tell: Callable[[str], None]
    yes: bool

    def run(self) -> None:
        """Fix one after the other; one that fails holds up no other. Raises Refused where nothing may begin."""
        with one_at_a_time(self.config.data_dir):
            wirer = Wirer(self.door, {}, HANDLER, self.tell)
            for finding in to_fix(self.found):
                try:
                    self._fix(wirer, finding)
                except N8nError as error:
                    self.tell(f"  ! {finding.workflow}: {error}")

    def _fix(self, wirer: Wirer, finding: AuditFinding) -> None:
        row = self.door.workflow(finding.workflow_id)
        if row is None or not row.get("active"):
            self.tell(f"  {finding.workflow} was unpublished meanwhile; it is left alone")
        elif finding.fix is Fix.REPUBLISH:
            self._republish(finding)
        else:
            self._give_handler(wirer, finding, row)

    def _agreed(self, words: str) -> bool:
        self.tell(words)
        return self.yes or click.confirm("  Do it?", default=True)

    def _republish(self, finding: AuditFinding) -> None:
        plugin = REGISTRY.find("republish_workflow")
        args = plugin.args.model_validate({"site": self.door.site, "workflows": [finding.workflow_id]})
        doors = cast(Doors, _OneN8n(self.door))
        about = About("n8n", utc_now(), failure_type=FailureType.WEBHOOK_UNREGISTERED)
        would = plugin.preview(args, doors, about) if plugin.preview else ""
        if not self._agreed(f"{finding.workflow}: {finding.because}\n  would {would}"):
            return
        answer = plugin.run(args, doors, about)
        if isinstance(answer, Done):
            self.tell(f"  {answer.detail}")
        else:
            self.tell(f"  ! {answer.why}")

    def _give_handler(self, wirer: Wirer, finding: AuditFinding, row: Mapping[str, Any]) -> None:
        handler = self.door.workflow(self.found.handler)
        if handler is None or not handler.get("active"):
            raise N8nError("the error handler is no longer published", "not_found", permanent=True)
        now = error_workflow_of(row)
        named = self.door.workflow(now) if now else None
        if named is not None and not named.get("isArchived"):
            self.tell(f"  {finding.workflow} was given another error workflow meanwhile; it is left alone")
            return
        if words := why_rewritten(row, tuple(self.door.credentials())):
            self.tell(f"  ! {finding.workflow}: {words}: {BY_HAND}")
            return
        draft = "; its draft stays unpublished" if has_draft(row) else ""
        words = (
            f"{finding.workflow}: {finding.because}\n  would name {handler.get('name')} as its error workflow{draft}"
        )
        if not self._agreed(words):
            return
        if draft and not self._keeps_drafts(wirer):
            self.tell(f"  ! {finding.workflow}: this n8n was not seen to leave drafts unpublished: {BY_HAND}")
            return
        wirer.make(self._change(finding, row))

    def _keeps_drafts(self, wirer: Wirer) -> bool:
        """Seen on a workflow of ours, which is made and removed again: never tried on a person's own."""
        if not wirer.keeps_drafts:
            note_settled(self.door)
            remove_canaries(self.door)
            proof = Proof(wirer, self.found.handler, self.config.public_url)
            proof.run("to see that this n8n leaves drafts unpublished", listens=False)
        return wirer.keeps_drafts

    def _change(self, finding: AuditFinding, row: Mapping[str, Any]) -> Change:
        settings = row.get("settings")
        before = {"errorWorkflow": settings.get("errorWorkflow") if isinstance(settings, Mapping) else None}
        now = error_workflow_of(row)
        because = f"medic audit: instead of {now}, which is gone" if now else "medic audit: it has none"
        return Change(
            ChangeKind.ERROR_WORKFLOW, finding.workflow_id, str(row.get("name")), because, finding.workflow_id,
            before, {"errorWorkflow": self.found.handler},
        )  # fmt: skip
