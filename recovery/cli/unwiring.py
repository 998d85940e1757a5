"""Takes back what `medic connect` has changed in an n8n, the last first."""

from collections.abc import Callable
from typing import Any

from recovery.cli.proving import Proof, remove_workflow
from recovery.cli.saving import SETTINGS, Saving
from recovery.cli.wiring import Wirer
from recovery.clock import utc_now
from recovery.decide.coverage import has_draft
from recovery.decide.unwiring import Undo
from recovery.model import Change, ChangeKind, N8nError, WiringView
from recovery.store import wirings


def take_back(wirer: Wirer, plan: list[Undo], view: WiringView) -> None:
    """Take back all that can be; what cannot stays written down, and is in `wirer.failed`."""
    try:
        _learn_of_drafts(wirer, plan, view)
    except N8nError as error:
        wirer.fail(f"the canary: {error}")
    for undo in plan:
        try:
            _take_back(wirer, undo)
        except N8nError as error:
            wirer.fail(f"{undo.wired.change.name}: {error}")


def _take_back(wirer: Wirer, undo: Undo) -> None:
    change = undo.wired.change
    if undo.does == "":
        return
    if undo.does != "forget":
        _WAYS[undo.does](wirer, change)
        wirer.tell(f"  {_SAID[undo.does]} {change.name}")
    wirings.end_change(undo.wired.id, wirings.UNDONE, utc_now())


def _learn_of_drafts(wirer: Wirer, plan: list[Undo], view: WiringView) -> None:
    """See how this n8n treats drafts, where one of a person's is in the way."""
    named = {
        undo.wired.change.target
        for undo in plan
        if undo.does == "restore" and undo.wired.change.kind is ChangeKind.ERROR_WORKFLOW
    }
    if any(row.get("id") in named and has_draft(row) for row in view.workflows):
        Proof(wirer, "", "").run("to see that this n8n leaves drafts unpublished", listens=False)


def _delete(wirer: Wirer, change: Change) -> None:
    if change.kind is ChangeKind.CREDENTIAL:
        wirer.door.delete_credential(change.target)
    elif change.kind is ChangeKind.TAG:
        wirer.door.delete_tag(change.target)
    else:
        remove_workflow(wirer.door, change.target)


def _restore(wirer: Wirer, change: Change) -> None:
    row = wirer.door.workflow(change.target)
    if row is None:
        return
    if change.kind is ChangeKind.UPDATE:
        _restore_flow(wirer, change, bool(row.get("active")))
        return
    saving = Saving(wirer.door, row, wirer.keeps_drafts)
    if words := saving.why_not(change.after.get("errorWorkflow")):
        raise N8nError(words, "conflict", permanent=True)
    saving.name_error_workflow(change.before.get("errorWorkflow"))
    for note in saving.notes:
        wirer.fail(f"{change.name}: {note}")


def _restore_flow(wirer: Wirer, change: Change, is_live: bool) -> None:
    before: dict[str, Any] = dict(change.before)
    settings = before.get("settings") or {}
    before["settings"] = {key: value for key, value in settings.items() if key in SETTINGS | {"errorWorkflow"}}
    saved = wirer.door.save_workflow(change.target, before)
    if is_live:
        wirer.door.publish(change.target, str(saved.get("versionId")))


def _unpublish(wirer: Wirer, change: Change) -> None:
    wirer.door.unpublish(change.target)


_WAYS: dict[str, Callable[[Wirer, Change], None]] = {"delete": _delete, "restore": _restore, "unpublish": _unpublish}
_SAID = {"delete": "removed", "restore": "put back", "unpublish": "unpublished"}
