"""What an audit of an n8n sees: the same looks as its checks take, once and at all of it. Nothing is run or changed."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from recovery.checks import n8n_credentials, n8n_pruning, n8n_schedules
from recovery.checks.executions import number_of
from recovery.checks.workflows import missing_webhooks
from recovery.model import AuditFacts, AuditPlan, DoorError, HandlerRun, N8nDoor, Past

__all__ = ["read_audit"]

MOST_HANDLERS, MOST_CREDENTIALS, MOST_HANGING, MOST_WEBHOOKS = 50, 100, 2, 2000
NEWEST = 20  # runs of an error workflow: those by hand do not count
Found = TypeVar("Found")


class _Looker:
    """Looks at one thing after the other; what cannot be looked at is noted, and holds up nothing else."""

    def __init__(self) -> None:
        self.unseen: list[tuple[str, str]] = []

    def look(self, rule: str, look: Callable[[], Found], otherwise: Found) -> Found:
        try:
            return look()
        except DoorError as problem:
            self.unseen.append((rule, str(problem)))
            return otherwise


def read_audit(door: N8nDoor, plan: AuditPlan, ours: tuple[str, ...], now: datetime) -> AuditFacts:
    """Everything that the rules of an audit ask. `ours`: the error handlers that `medic connect` has made."""
    ends = door.key_ends()
    try:
        if trouble := door.readiness():
            return AuditFacts(plan.site, now, trouble, ends)
        workflows = tuple(door.published_workflows())
    except DoorError as problem:
        return AuditFacts(plan.site, now, str(problem), ends)
    looker = _Looker()
    others: dict[str, Mapping[str, Any] | None] = looker.look(
        "error_workflow_gone", lambda: _others(door, workflows), {}
    )
    handlers = sorted({*_named(workflows), *ours})
    pruning = n8n_pruning.Args.model_validate(_args(plan, "n8n_pruning"))
    return AuditFacts(
        plan.site, now, "", ends, workflows, others,
        runs=looker.look("error_workflow_fails", lambda: _runs(door, handlers), {}),
        ours=ours,
        webhooks=looker.look("webhook_dead", lambda: _dead_webhooks(door), {}),
        schedules=looker.look("schedule_stopped", lambda: _stopped(door, plan, now), {}),
        credentials=looker.look("credential_broken", lambda: _refused(door, plan), {}),
        ending=looker.look("prunes_early", lambda: tuple(n8n_pruning.failures_that_end(pruning, door, now)[0]), ()),
        begun=looker.look("prunes_early", lambda: _begun(door, plan, now), None),
        keeps_seconds=pruning.max_age, keeps_count=pruning.max_count, replay_seconds=plan.replay_seconds,
        unseen=tuple(dict(looker.unseen).items()),
    )  # fmt: skip


def _args(plan: AuditPlan, kind: str) -> dict[str, Any]:
    return {"site": plan.site, **plan.checks.get(kind, {})}


def _named(workflows: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    """The ids of the error workflows that are named."""
    for one in workflows:
        settings = one.get("settings")
        named = settings.get("errorWorkflow") if isinstance(settings, Mapping) else None
        if isinstance(named, str) and named not in ("", "DEFAULT"):
            yield named


def _others(door: N8nDoor, workflows: tuple[Mapping[str, Any], ...]) -> dict[str, Mapping[str, Any] | None]:
    """The error workflows that are named and not published."""
    published = {str(one.get("id")) for one in workflows}
    return {named: door.workflow(named) for named in sorted({*_named(workflows)} - published)[:MOST_HANDLERS]}


def _runs(door: N8nDoor, handlers: list[str]) -> dict[str, HandlerRun]:
    """How n8n last ran each error workflow; those that it never ran are left out."""
    found = {}
    for handler in handlers[:MOST_HANDLERS]:
        page, _ = door.executions(workflow_id=handler, limit=NEWEST)
        newest = next((one for one in page if one.get("mode") == "error" and one.get("stoppedAt")), None)
        if newest:
            failed = newest.get("status") in ("error", "crashed")
            found[handler] = HandlerRun(str(newest.get("id")), str(newest.get("startedAt")), failed)
    return found


def _dead_webhooks(door: N8nDoor) -> dict[str, tuple[str, ...]]:
    dead: dict[str, tuple[str, ...]] = {}
    for workflow, (method, path) in missing_webhooks(door, MOST_WEBHOOKS)[0]:
        name = str(workflow.get("id"))
        dead[name] = (*dead.get(name, ()), f"{method} {path[:80]}")
    return dead


def _stopped(door: N8nDoor, plan: AuditPlan, now: datetime) -> dict[str, str]:
    args = n8n_schedules.Args.model_validate(_args(plan, "n8n_schedules"))
    late, _, _ = n8n_schedules.stopped_schedules(args, door, Past(now))
    return {str(workflow.get("id")): words for workflow, words in late}


def _refused(door: N8nDoor, plan: AuditPlan) -> dict[str, str]:
    """Of the credentials that published workflows use: those that do not work, as far as n8n can try them."""
    args = n8n_credentials.Args.model_validate(_args(plan, "n8n_credentials"))
    credentials = n8n_credentials.meant_credentials(args, door)
    refused, hanging = {}, 0
    for one in sorted(credentials)[:MOST_CREDENTIALS]:
        try:
            told = door.test_credential(one)
        except DoorError as problem:
            hanging += 1
            if problem.kind != "timeout" or hanging > MOST_HANGING:
                raise
            continue  # its service hangs, which is no fault of it
        if told and told[1].startswith(n8n_credentials.UNTESTABLE):
            continue
        works, words = n8n_credentials.judge_test(told)
        if works is False:
            row = credentials[one]
            refused[one] = f"{str(row.get('name'))[:80]} ({str(row.get('type'))[:60]}{words})"
    return refused


def _begun(door: N8nDoor, plan: AuditPlan, now: datetime) -> int | None:
    """How many executions n8n has saved in the time in which they are retried; None where nothing tells.

    By their ids, of which some left no execution, as those show that it has. Where no older one is left, all that were
    ever saved count: then they were deleted within that time, or n8n is new.
    """
    page, _ = door.executions(limit=250)
    ids = [number for one in page if (number := number_of(one))]
    if len(ids) < 2:
        return None
    since = (now - timedelta(seconds=plan.replay_seconds)).isoformat().replace("+00:00", "Z")
    older, _ = door.executions(limit=1, started_before=since)
    first = number_of(older[0]) if older else 0
    share = (len(ids) - 1) / (max(ids) - min(ids))
    return round((max(ids) - first) * share)
