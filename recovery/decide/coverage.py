"""Which workflows of an n8n name an error workflow, and which are given ours. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recovery.decide.shipped import is_error_handler
from recovery.model import IGNORE_TAG, Change, ChangeKind, Passed, WiringView, Wish, tags_of

__all__ = [
    "Cover",
    "Handler",
    "cover",
    "error_workflow_of",
    "has_draft",
    "plan_error_workflows",
    "projects_of",
    "why_not_chosen",
    "why_rewritten",
]

OURS = "n8n-medic: "  # the names of the shipped workflows begin so
DEFAULT = "DEFAULT"
# n8n leaves these out at a save where they say "DEFAULT".
MAY_BE_DEFAULT = (
    "errorWorkflow", "timezone", "saveDataErrorExecution", "saveDataSuccessExecution", "saveManualExecutions",
    "saveExecutionProgress",
)  # fmt: skip
WEBHOOK_NODES = frozenset(("webhook", "wait", "form", "formTrigger", "chatTrigger"))
NODE_KEYS = frozenset((
    "id", "name", "webhookId", "disabled", "notesInFlow", "notes", "type", "typeVersion", "executeOnce",
    "alwaysOutputData", "retryOnFail", "maxTries", "waitBetweenTries", "continueOnFail", "onError", "position",
    "parameters", "credentials", "customTelemetryTags", "createdAt", "updatedAt",
))  # fmt: skip
BY_HAND = "set it by hand, in its Settings > Error workflow"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Handler:
    """The error handler; its id is "" before it is made. `earlier`: the ids of those that connect made before it."""

    id: str
    name: str
    earlier: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Cover:
    """How many published workflows are looked after.

    Fields:
        covered, counted: those that name an error workflow that runs, of how many.
        bare: names of those that name none. dead: of those whose error workflow is gone or not published.
    """

    covered: int
    counted: int
    bare: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()


def cover(workflows: tuple[Row, ...]) -> Cover:
    """Whose failures n8n tells of at once: published workflows, those aside that handle errors themselves."""
    live = {str(one.get("id")) for one in workflows if one.get("active")}
    counted = [one for one in workflows if one.get("active") and not _is_left_alone(one)]
    named = [(str(one.get("name")), error_workflow_of(one)) for one in counted]
    return Cover(
        sum(handler in live for _, handler in named),
        len(counted),
        tuple(name for name, handler in named if not handler),
        tuple(name for name, handler in named if handler and handler not in live),
    )


def _is_left_alone(workflow: Row) -> bool:
    is_ours = str(workflow.get("name")).startswith(OURS)
    left = is_ours or workflow.get("isArchived") or _handles_itself(workflow) or IGNORE_TAG in tags_of(workflow)
    return bool(left)


def error_workflow_of(workflow: Row) -> str:
    """The id that its settings name; "" for none."""
    settings = workflow.get("settings")
    found = settings.get("errorWorkflow") if isinstance(settings, Mapping) else None
    return "" if found in (None, "", DEFAULT) else str(found)


def has_draft(workflow: Row) -> bool:
    """Whether it is published, and something else of it is saved."""
    return bool(workflow.get("active")) and workflow.get("versionId") != workflow.get("activeVersionId")


def plan_error_workflows(
    wish: Wish, view: WiringView, handler: Handler, ours: set[str]
) -> tuple[list[Change], list[Passed]]:
    """Which workflows are given the handler, and why the others are not."""
    changes: list[Change] = []
    passed: list[Passed] = []
    rows = {str(one.get("id")): one for one in view.workflows}
    for workflow_id, workflow in sorted(rows.items(), key=lambda pair: str(pair[1].get("name"))):
        if workflow.get("name") in ours or workflow_id == handler.id:
            continue
        why_not = _why_not(workflow, wish, handler, rows, view)
        if why_not:
            passed.append(why_not)
        else:
            changes.append(_change(workflow_id, workflow, handler, rows))
    return changes, passed


def why_not_chosen(only: Iterable[str], tagged: Iterable[str], view: WiringView) -> str:
    """Which of the ids, names and tags fit no workflow, such as one that was misspelled; "" where each fits some."""
    names = {str(one.get(key)) for one in view.workflows for key in ("id", "name")}
    told = [f"no workflow has the name or id {one!r} (--only)" for one in only if one not in names]
    tags = {tag for one in view.workflows for tag in tags_of(one)}
    told += [f"no workflow has the tag {one!r} (--tag)" for one in tagged if one not in tags]
    return "; ".join(told)


def _change(workflow_id: str, workflow: Row, handler: Handler, rows: Mapping[str, Row]) -> Change:
    now = error_workflow_of(workflow)
    because = f"instead of {_name_of(now, rows)}" if now else "it has none"
    if has_draft(workflow):
        because += "; its draft stays unpublished"
    settings = workflow.get("settings")
    before = {"errorWorkflow": settings.get("errorWorkflow") if isinstance(settings, Mapping) else None}
    after = {"errorWorkflow": handler.id}
    name = str(workflow.get("name"))
    return Change(ChangeKind.ERROR_WORKFLOW, workflow_id, name, because, workflow_id, before, after)


def _why_not(workflow: Row, wish: Wish, handler: Handler, rows: Mapping[str, Row], view: WiringView) -> Passed | None:
    name, now = str(workflow.get("name")), error_workflow_of(workflow)
    if workflow.get("isArchived"):
        return Passed(name, "archived")
    if not _is_chosen(workflow, wish):
        return Passed(name, "not chosen")
    if IGNORE_TAG in tags_of(workflow):
        return Passed(name, f"tagged {IGNORE_TAG}")
    if _handles_itself(workflow):
        return Passed(name, "it has an Error Trigger of its own")
    if now and now == handler.id:
        return Passed(name, "it names the error handler already")
    if now and not wish.replace and not _is_lost(now, handler, rows):
        return _other(name, now, rows)
    rewritten = why_rewritten(workflow, view.credentials)
    return Passed(name, f"{rewritten}: {BY_HAND}", fine=False) if rewritten else None


def _is_lost(now: str, handler: Handler, rows: Mapping[str, Row]) -> bool:
    """Whether it is an error handler of ours that somebody has deleted or archived: nobody else has set that one."""
    return now in handler.earlier and (now not in rows or bool(rows[now].get("isArchived")))


def _other(name: str, now: str, rows: Mapping[str, Row]) -> Passed:
    """One that names another error workflow, which is kept."""
    other = rows.get(now)
    if other is None:
        return Passed(name, f"its error workflow is gone ({now}): --replace sets ours instead", fine=False)
    if not other.get("active"):
        words = f"its error workflow {other.get('name')} is not published, so that n8n never runs it"
        return Passed(name, f"{words}: publish it, or --replace", fine=False)
    return Passed(name, f"it has an error workflow already: {other.get('name')}")


def _is_chosen(workflow: Row, wish: Wish) -> bool:
    if wish.only and not {workflow.get("id"), workflow.get("name")} & set(wish.only):
        return False
    return not wish.tagged or bool(tags_of(workflow) & set(wish.tagged))


def _name_of(workflow_id: str, rows: Mapping[str, Row]) -> str:
    if workflow_id not in rows:
        return f"{workflow_id}, which is gone"
    archived = ", which is archived" if rows[workflow_id].get("isArchived") else ""
    return f"{rows[workflow_id].get('name')}{archived}"


def projects_of(workflow: Row) -> set[str]:
    """The ids of the projects that it belongs to; none where n8n does not tell."""
    shared = workflow.get("shared")
    rows = shared if isinstance(shared, list) else []
    return {str(one.get("projectId")) for one in rows if isinstance(one, Mapping) and one.get("projectId")}


def _handles_itself(workflow: Row) -> bool:
    live = workflow.get("activeVersion")
    return is_error_handler(live if isinstance(live, Mapping) else workflow)


# -- what n8n would change beside what it is asked to


def why_rewritten(workflow: Row, credentials: tuple[Row, ...]) -> str:
    """Why n8n would change more than it is asked to at a save through its API; "" where it would not.

    What n8n fills in or leaves out at a save cannot be put back, so such a workflow is not saved at all.
    """
    settings = workflow.get("settings")
    if not isinstance(settings, Mapping):
        return "n8n keeps no settings of it yet, and would make some"
    odd = [key for key in MAY_BE_DEFAULT if settings.get(key) == DEFAULT]
    odd += ["executionTimeout"] if settings.get("executionTimeout") == -1 else []
    odd += ["credentialResolverId"] if settings.get("credentialResolverId", "x") in ("", None) else []
    if odd:
        return f"n8n would take {odd[0]}, which says the default, out of its settings"
    for node in workflow.get("nodes") or ():
        reason = next(_node_rewritten(node, credentials), "") if isinstance(node, Mapping) else "a node is no object"
        if reason:
            return f"n8n would change its node {str(node.get('name'))[:60]!r} ({reason})"
    return ""


def _node_rewritten(node: Row, credentials: tuple[Row, ...]) -> Iterator[str]:
    if strange := sorted(set(node) - NODE_KEYS):
        yield f"its API does not take {strange[0][:40]!r}"
    if not node.get("id"):
        yield "it has no id"
    if str(node.get("type")).rpartition(".")[2] in WEBHOOK_NODES and not node.get("webhookId"):
        yield "it has no webhook id"
    used = node.get("credentials")
    if node.get("disabled") or not isinstance(used, Mapping):
        return
    for kind, one in used.items():
        if one is not None and _credential_rewritten(str(kind), one, credentials):
            yield "its credential was renamed or is gone"


def _credential_rewritten(kind: str, one: Any, credentials: tuple[Row, ...]) -> bool:
    if not isinstance(one, Mapping):
        return True
    if one.get("__aiGatewayManaged"):
        return False
    same_kind = [row for row in credentials if row.get("type") == kind]
    by_id = next((row for row in same_kind if row.get("id") == one.get("id")), None)
    if by_id is not None:
        return dict(one) != {"id": by_id.get("id"), "name": by_id.get("name")}
    return sum(row.get("name") == one.get("name") for row in same_kind) == 1
