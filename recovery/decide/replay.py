"""Decides about broken executions: may this one be run again, and which may start now?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from recovery.model import CANARY_NAME, CANARY_WORDS, IGNORE_TAG, CauseClass, Failure, Outlook, ReplayLimits, why_tagged

NO_RETRY = "medic:no-retry"
RETRY_SAFE = "medic:retry-safe"
FROM_START = "medic:retry-from-start"
NEVER_HAPPENED = frozenset(
    ("ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "EAI_AGAIN")
)  # the request never reached anybody
TURNED_AWAY = frozenset((429, 503))  # the service said that it did nothing
NOBODYS = {
    "manual": "a manual run",
    "evaluation": "an evaluation run",
    "error": "an error workflow's own run",
}  # by the mode of a chain's first run
FAILED = frozenset(("error", "crashed"))
UNDER_WAY = frozenset(("new", "running", "waiting", "unknown"))


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of a failed run beside its failure.

    Fields:
        crashed: n8n stopped while it ran, so a retry begins at its trigger.
        nothing_left: n8n has lost what it was given, so a retry runs nothing.
        in_subworkflow: the failed node calls another workflow, which a retry begins anew.
        items: how many items the failed node was given; None where that is not known.
        writers: nodes that ran and may have changed something; None where that is not known.
        tags: of its workflow, in n8n. archived: a person has put the workflow away there.
        earlier: why an earlier run of its chain may have had the effect that a retry would have again; "" for no such.
        retries: automatic ones of its chain so far.
        permit: who allowed a retry that may repeat an effect; "" for nobody.
        failed_at: when the chain's root failed.
        root_mode: how the chain's root began.
    """

    failed_at: datetime
    root_mode: str = ""
    crashed: bool = False
    nothing_left: bool = False
    in_subworkflow: bool = False
    items: int | None = None
    writers: tuple[str, ...] | None = None
    tags: frozenset[str] = frozenset()
    archived: bool = False
    earlier: str = ""
    retries: int = 0
    permit: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a run may be retried; `asks`: a person may decide otherwise."""

    retry: bool
    because: str
    asks: bool = False


def judge(failure: Failure, outlook: Outlook, run: Run, limits: ReplayLimits, now: datetime) -> Judgement:
    """May this failed run be retried without repeating an effect?"""
    barred = _barred(failure, outlook, run, limits, now)
    if barred:
        return barred
    if run.permit:
        return Judgement(True, f"{run.permit} allowed it to run again")
    doubt = why_doubted(failure, run) or run.earlier
    if not doubt:
        return Judgement(True, _why_safe(failure, run))
    for tag in (RETRY_SAFE, FROM_START):
        if tag in run.tags:
            return Judgement(True, f"its workflow is tagged {tag}; otherwise: {doubt}")
    if limits.retry_ambiguous:
        return Judgement(True, f"replay.ambiguous is retry; otherwise: {doubt}")
    return Judgement(False, doubt, asks=True)


def _barred(failure: Failure, outlook: Outlook, run: Run, limits: ReplayLimits, now: datetime) -> Judgement | None:
    if never := why_never(run.tags):
        return Judgement(False, never)
    if run.archived:
        return Judgement(False, "its workflow is archived in n8n: restore it there to run it again")
    if "integrated" in (failure.mode, run.root_mode):
        return Judgement(False, "it is a sub-workflow's own run: the workflow that called it is retried instead")
    if run.root_mode in NOBODYS:
        return Judgement(False, f"{NOBODYS[run.root_mode]} is nobody's outage")
    if run.nothing_left:
        return Judgement(False, "n8n has lost what it was given, and a retry would run nothing: begin it anew by hand")
    if run.permit:
        return None
    if outlook is Outlook.PERMANENT:
        return Judgement(False, "a retry would fail in the same way")
    if now - run.failed_at > timedelta(seconds=limits.max_age_seconds):
        return Judgement(False, f"it failed more than {limits.max_age_seconds / 3600:g} hours ago (replay.max_age)")
    if run.retries >= limits.max_retries:
        return Judgement(False, f"it was retried {run.retries} times by itself already", asks=True)
    return None


def why_doubted(failure: Failure, run: Run) -> str:
    """Why a retry of this run may repeat an effect of it; "" where it cannot."""
    if run.crashed:
        return _doubt_of_crash(run)
    node = failure.node_name or "the failed node"
    if run.in_subworkflow:
        return f"{failure.last_node or node} calls another workflow, and a retry would begin that one anew"
    if failure.item_index:
        before = failure.item_index - 1
        return f"{node} failed at item {failure.item_index}, and a retry would send items 0 to {before} again"
    if failure.node_reads:
        return ""
    if run.items is None:
        return f"nobody knows how many items {node} was given, and n8n sends them together: some may have been done"
    if run.items > 1:
        return f"{node} was given {run.items} items, and n8n sends them together: others may have been done"
    if failure.error_code in NEVER_HAPPENED or failure.http_code in TURNED_AWAY:
        return ""
    what = f"answered {failure.http_code}" if failure.http_code else "did not answer properly"
    return f"{node} ({failure.method or 'which may write'}) {what}, so its effect may have happened"


def _doubt_of_crash(run: Run) -> str:
    if run.writers is None:
        return "n8n crashed, what had run by then is not known, and a retry begins at the trigger"
    if run.writers:
        names = ", ".join(run.writers[:5])
        return f"n8n crashed, a retry begins at the trigger, and {names} may have been done already"
    return ""


def _why_safe(failure: Failure, run: Run) -> str:
    if run.crashed:
        return "everything that had run only reads, so beginning anew repeats nothing"
    if failure.node_reads:
        return f"{failure.node_name or 'the failed node'} only reads"
    said = f"answered {failure.http_code}" if failure.http_code else f"was not reached ({failure.error_code})"
    return f"the service {said}, so nothing was done"


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain as n8n has it now: root, everybody's retries, leaf.

    Fields:
        leaf: the newest execution, as n8n's API gives it without data.
        succeeded: the execution of the chain that succeeded; "" where none did.
        members: ids, root first.
        root_mode: how its first run began.
    """

    leaf: Mapping[str, Any]
    members: tuple[str, ...]
    succeeded: str = ""
    root_mode: str = ""

    @property
    def leaf_id(self) -> str:
        """n8n's id of the leaf."""
        return str(self.leaf.get("id"))

    @property
    def status(self) -> str:
        """n8n's status of the leaf."""
        return str(self.leaf.get("status") or "unknown")


def read_chain(root: Mapping[str, Any], executions: Iterable[Mapping[str, Any]]) -> Chain:
    """Follow `retryOf` from the root through everybody's retries.

    Args:
        root: the root execution; executions: others of the same workflow, in any order.
    """
    children: dict[str, list[Mapping[str, Any]]] = {}
    for one in executions:
        if one.get("retryOf"):
            children.setdefault(str(one["retryOf"]), []).append(one)
    found: list[Mapping[str, Any]] = [root]
    seen = {str(root.get("id"))}
    for one in found:
        fresh = [child for child in children.get(str(one.get("id")), ()) if str(child.get("id")) not in seen]
        seen.update(str(child.get("id")) for child in fresh)
        found.extend(fresh)
    found.sort(key=_age)
    succeeded = next((str(one.get("id")) for one in found if one.get("status") == "success"), "")
    # n8n notes a retry that ran nothing, and that it calls failed, as the success of what it retried.
    failed = {str(one.get("id")) for one in found if str(one.get("status")) in FAILED}
    noted = (str(one.get("retrySuccessId") or "") for one in found)
    told = next((name for name in noted if name and name not in failed), "")
    running = [one for one in found if str(one.get("status")) in UNDER_WAY]
    members = tuple(str(one.get("id")) for one in found)
    return Chain((running or found)[-1], members, succeeded or told, str(root.get("mode") or ""))


def _age(execution: Mapping[str, Any]) -> tuple[int, str]:
    name = str(execution.get("id"))
    return (int(name) if _counts_up(name) else 0, name)


def _counts_up(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= 40


@dataclass(frozen=True, slots=True)
class Candidate:
    """A waiting chain: its row's id, its workflow, when it failed, and how often it was retried by itself."""

    chain_id: int
    workflow_id: str
    failed_at: datetime
    retries: int = 0


def choose_canary(waiting: Sequence[Candidate]) -> Candidate | None:
    """The oldest of those that were retried least goes first, alone: no chain uses up its retries for the others."""
    return min(waiting, key=lambda one: (one.retries, one.failed_at, one.chain_id), default=None)


def release(
    waiting: Sequence[Candidate],
    busy_workflows: Mapping[str, int],
    busy_component: int,
    released_at: datetime | None,
    limits: ReplayLimits,
    now: datetime,
) -> list[tuple[int, datetime]]:
    """Which waiting chains may start, oldest first, and when: [(chain id, start)].

    Args:
        busy_workflows: how many of each workflow are under way, of any incident.
        busy_component: how many of this incident are under way.
        released_at: when the last one was started, for the rate.
    """
    running = dict(busy_workflows)
    free = limits.per_component - busy_component
    gap = timedelta(seconds=1 / limits.rate_per_second)
    start = max(now, released_at + gap) if released_at else now
    chosen: list[tuple[int, datetime]] = []
    for one in sorted(waiting, key=lambda each: (each.failed_at, each.chain_id)):
        if len(chosen) >= free:
            break
        if running.get(one.workflow_id, 0) < limits.per_workflow:
            running[one.workflow_id] = running.get(one.workflow_id, 0) + 1
            chosen.append((one.chain_id, start))
            start += gap
    return chosen


def waits_for_cause(cause_class: CauseClass) -> bool:
    """Whether executions of a permanent cause may work once the cause is mended: a renewed credential, say."""
    return cause_class in (CauseClass.CREDENTIALS, CauseClass.UNAVAILABLE)


def why_nobodys(failure: Failure) -> str:
    """Why a failure is nobody's outage; "" where it may be one."""
    if failure.workflow_name == CANARY_NAME and failure.message.startswith(CANARY_WORDS):
        return "medic connect let it fail on purpose, to see that it arrives"
    return f"{NOBODYS[failure.mode]} is nobody's outage" if failure.mode in NOBODYS else ""


def why_never(tags: frozenset[str]) -> str:
    """Why nothing of a workflow with these tags is ever run again, whoever orders it; "" where it may be."""
    return next((why_tagged(tag) for tag in (IGNORE_TAG, NO_RETRY) if tag in tags), "")
