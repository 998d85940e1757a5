"""What became of changes that nobody saw the end of, and how all changes are taken back. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from recovery.decide.coverage import error_workflow_of
from recovery.decide.shipped import HEADER_AUTH, same_flow
from recovery.model import Change, ChangeKind, Wired, WiringView

__all__ = ["Settled", "Undo", "plan_undo", "settle", "settled_view"]

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a change that was begun: was it made, and what is its id in n8n?"""

    wired: Wired
    done: bool
    target: str = ""


def settle(view: WiringView) -> list[Settled]:
    """For each change that was begun and not seen to its end: what n8n shows of it now."""
    return [_settled(one, view) for one in view.wired if not one.done]


def _settled(one: Wired, view: WiringView) -> Settled:
    change = one.change
    if change.kind in (ChangeKind.CREDENTIAL, ChangeKind.INSTALL, ChangeKind.CANARY, ChangeKind.TAG):
        target = _made(change, view)
        return Settled(one, bool(target), target)
    workflow = _by_id(view.workflows, change.target)
    if change.kind is ChangeKind.ERROR_WORKFLOW:
        done = workflow is not None and error_workflow_of(workflow) == change.after.get("errorWorkflow")
    elif change.kind is ChangeKind.UPDATE:
        done = workflow is not None and not same_flow(workflow, change.before)
    elif change.kind is ChangeKind.PUBLISH:
        done = workflow is not None and bool(workflow.get("active")) and not change.before.get("active")
    else:
        done = False  # a credential that is written anew, or a proof: done again, it does no harm
    return Settled(one, done, change.target)


def _made(change: Change, view: WiringView) -> str:
    """The id of what was to be made: the one of that name which was not there before; "" for none."""
    before = set(change.before.get("ids") or ())
    rows: Iterable[Row] = view.workflows
    if change.kind is ChangeKind.TAG:
        rows = [{"id": tag_id, "name": name} for name, tag_id in (view.tags or {}).items()]
    elif change.kind is ChangeKind.CREDENTIAL:
        rows = [one for one in view.credentials if one.get("type") == HEADER_AUTH]
    named = [str(one.get("id")) for one in rows if one.get("name") == change.name]
    return next((one for one in named if one not in before), "")


@dataclass(frozen=True, slots=True)
class Undo:
    """How one change is taken back. `does` "": it is left as it is; else "delete", "restore", "unpublish", "forget"."""

    wired: Wired
    does: str
    because: str


def plan_undo(view: WiringView) -> list[Undo]:
    """All that earlier connects have changed, the last first."""
    done = [one for one in view.wired if one.done]
    seen = {str(row.get("id")): row for row in view.workflows}
    found = []
    for one in reversed(done):
        undo = _UNDO[one.change.kind](one, replace(view, workflows=tuple(seen.values())), done)
        found.append(undo)
        if undo.does == "restore" and one.change.target in seen:
            seen[one.change.target] = _restored(seen[one.change.target], one.change)
    return found


def _restored(row: Row, change: Change) -> Row:
    """The workflow as it is once that change is taken back."""
    if change.kind is ChangeKind.UPDATE:
        return {**row, **change.before}
    return {**row, "settings": {**(row.get("settings") or {}), **change.before}}


def _undo_error_workflow(one: Wired, view: WiringView, done: list[Wired]) -> Undo:
    workflow = _by_id(view.workflows, one.change.target)
    if workflow is None:
        return Undo(one, "forget", "the workflow is gone")
    if error_workflow_of(workflow) != one.change.after.get("errorWorkflow"):
        return Undo(one, "forget", "somebody has set another one since, which stays")
    before = one.change.before.get("errorWorkflow")
    return Undo(one, "restore", f"back to {before}" if before else "it had none")


def _undo_install(one: Wired, view: WiringView, done: list[Wired]) -> Undo:
    change = one.change
    workflow = _by_id(view.workflows, change.target)
    if workflow is None:
        return Undo(one, "forget", "it is gone")
    known = [later.change.after for later in done if later.change.target == change.target and later.change.after]
    if change.kind is ChangeKind.INSTALL and not any(same_flow(workflow, body) for body in known if "nodes" in body):
        return Undo(one, "", "you have changed it, so it is kept: delete it in n8n if you want")
    left = [str(row.get("name")) for row in view.workflows if error_workflow_of(row) == change.target]
    names = f"; give another error workflow to {', '.join(left)}, where a person has set it" if left else ""
    return Undo(one, "delete", f"it was made by connect{names}")


def _undo_update(one: Wired, view: WiringView, done: list[Wired]) -> Undo:
    workflow = _by_id(view.workflows, one.change.target)
    if workflow is None:
        return Undo(one, "forget", "it is gone")
    if any(later.change.kind is ChangeKind.INSTALL and later.change.target == one.change.target for later in done):
        return Undo(one, "forget", "it is deleted as a whole")
    if not same_flow(workflow, one.change.after):
        return Undo(one, "", "somebody has changed it since")
    return Undo(one, "restore", "as it was before")


def _undo_publish(one: Wired, view: WiringView, done: list[Wired]) -> Undo:
    workflow = _by_id(view.workflows, one.change.target)
    if workflow is None or any(
        other.change.kind is ChangeKind.INSTALL and other.change.target == one.change.target for other in done
    ):
        return Undo(one, "forget", "it is deleted as a whole")
    if one.change.before.get("active"):
        return Undo(one, "forget", "it was published before too")
    return Undo(one, "unpublish", "it was not published before")


def _undo_credential(one: Wired, view: WiringView, done: list[Wired]) -> Undo:
    if _by_id(view.credentials, one.change.target) is None:
        return Undo(one, "forget", "it is gone")
    installed = [other for other in done if other.change.kind is ChangeKind.INSTALL]
    ours = {other.change.target for other in installed if _undo_install(other, view, done).does == "delete"}
    users = [row for row in view.workflows if row.get("id") not in ours and _uses(row, one.change.target)]
    adopted = {other.change.target for other in done if other.change.kind is ChangeKind.UPDATE}
    users = [row for row in users if row.get("id") not in adopted]
    if users:
        return Undo(one, "", f"{users[0].get('name')} uses it")
    return Undo(one, "delete", "it was made by connect")


def _uses(workflow: Row, credential_id: str) -> bool:
    live = workflow.get("activeVersion")
    for version in (workflow, live if isinstance(live, Mapping) else {}):
        for node in version.get("nodes") or ():
            used = node.get("credentials") if isinstance(node, Mapping) else None
            for one in used.values() if isinstance(used, Mapping) else ():
                if isinstance(one, Mapping) and one.get("id") == credential_id:
                    return True
    return False


def _undo_tag(one: Wired, view: WiringView, done: list[Wired]) -> Undo:
    if one.change.target not in (view.tags or {}).values():
        return Undo(one, "forget", "it is gone")
    users = [
        row
        for row in view.workflows
        if any(isinstance(tag, Mapping) and tag.get("id") == one.change.target for tag in row.get("tags") or ())
    ]
    if users:
        return Undo(one, "", f"{users[0].get('name')} has it")
    return Undo(one, "delete", "it was made by connect")


def _forget(one: Wired, view: WiringView, done: list[Wired]) -> Undo:
    return Undo(one, "forget", "there is nothing to take back")


_UNDO: dict[ChangeKind, Callable[[Wired, WiringView, list[Wired]], Undo]] = {
    ChangeKind.ERROR_WORKFLOW: _undo_error_workflow,
    ChangeKind.INSTALL: _undo_install,
    ChangeKind.CANARY: _undo_install,
    ChangeKind.UPDATE: _undo_update,
    ChangeKind.PUBLISH: _undo_publish,
    ChangeKind.CREDENTIAL: _undo_credential,
    ChangeKind.RENEW: _forget,
    ChangeKind.TAG: _undo_tag,
    ChangeKind.PROOF: _forget,
}


def settled_view(view: WiringView, settled: Iterable[Settled]) -> WiringView:
    """The view as it is once that is written down."""
    known = {one.wired.id: one for one in settled}
    wired = []
    for one in view.wired:
        found = known.get(one.id)
        if found is None:
            wired.append(one)
        elif found.done:
            wired.append(replace(one, done=True, change=replace(one.change, target=found.target)))
    return replace(view, wired=tuple(wired))


def _by_id(rows: Iterable[Row], wanted: str) -> Row | None:
    return next((one for one in rows if wanted and one.get("id") == wanted), None)
