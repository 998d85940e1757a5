"""Reads of n8n what failed in a time, as chains; what is kept of each execution is small, and so is their number."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from recovery.clock import EPOCH
from recovery.decide.replay import FAILED, UNDER_WAY, Chain, read_chain
from recovery.model import N8nDoor, tags_of
from recovery.sources.shapes import moment, text
from recovery.store.tables import ReplayRow
from recovery.worker.reading_n8n import STATUSES, executions_since, number_of

KEPT = ("id", "workflowId", "status", "mode", "retryOf", "retrySuccessId", "startedAt", "stoppedAt")
PAGE = 250
MOST_READ = 50_000
BEGAN_BEFORE = timedelta(days=1)  # n8n lists by when a run began, and a long one fails long after that
MOST_ABOVE = 100
MOST_SUCCESS_PAGES = 10
Execution = Mapping[str, Any]


class Unanswerable(Exception):
    """What was ordered cannot be done as it was said; the message says why, and what can be."""


class Workflow(NamedTuple):
    """What is known of a workflow; `row` is what n8n gives of it, None where it is gone."""

    id: str
    name: str
    row: Mapping[str, Any] | None = None

    @property
    def tags(self) -> frozenset[str]:
        """The names of its tags."""
        return tags_of(self.row)


class Workflows:
    """The workflows of an n8n, each asked for once."""

    def __init__(self, door: N8nDoor):
        self._door = door
        self._known: dict[str, Workflow] = {}

    def find(self, workflow_id: str) -> Workflow:
        """One of them; one that is gone is called by its id."""
        if workflow_id not in self._known:
            self._known[workflow_id] = self._read(workflow_id) or Workflow(workflow_id, workflow_id)
        return self._known[workflow_id]

    def has(self, workflow_id: str) -> bool:
        """Whether there is one with that id."""
        found = self._read(workflow_id)
        if found:
            self._known[workflow_id] = found
        return found is not None

    def _read(self, workflow_id: str) -> Workflow | None:
        found = self._door.workflow(workflow_id)
        if found is None:
            return None
        return Workflow(workflow_id, text(found.get("name")) or workflow_id, found)


def newest_id(door: N8nDoor) -> int:
    """n8n's number of its newest execution."""
    page, _ = door.executions(limit=1)
    return number_of(page[0].get("id")) if page else 0


def read_executions(
    door: N8nDoor, row: ReplayRow, workflow_id: str, tell: Callable[[int], None]
) -> dict[str, Execution]:
    """Every execution since the outage that has not succeeded, by its id.

    Also those after its end: whoever retried then is known for it.

    Args:
        workflow_id: of one workflow alone; "" for all. tell: is told how many were read, page by page.

    Raises:
        Unanswerable: there are more than can be kept.
    """
    found: dict[str, Execution] = {}
    since = _began_after(row).isoformat()
    read = 0
    for status in STATUSES:
        # What is queued has no time yet.
        for page in _pages(door, status, workflow_id, "" if status in UNDER_WAY else since):
            read += len(page)
            found.update({text(one.get("id")): {name: one.get(name) for name in KEPT} for one in page})
            tell(read)
            if len(found) > MOST_READ:
                told = f"more than {MOST_READ:,} executions failed since then: name a workflow, or a shorter time"
                raise Unanswerable(told)
    return found


def is_within(row: ReplayRow, root: Execution) -> bool:
    """Whether everything that belongs to this root's chain was among what `read_executions` read."""
    began = moment(root.get("startedAt"))
    return began is not None and began > _began_after(row)


def _began_after(row: ReplayRow) -> datetime:
    return max(row.since, EPOCH + BEGAN_BEFORE) - BEGAN_BEFORE


def _pages(door: N8nDoor, status: str, workflow_id: str, since: str) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    while True:
        page, cursor = door.executions(status, workflow_id, since, cursor, PAGE)
        yield page
        if not cursor:
            return


class Broken(NamedTuple):
    """A chain of which something failed in the time that is meant, and its first execution."""

    chain: Chain
    root: Execution

    @property
    def workflow_id(self) -> str:
        """n8n's id of its workflow."""
        return text(self.root.get("workflowId"))


def chains_of(door: N8nDoor, row: ReplayRow, found: dict[str, Execution]) -> list[Broken]:
    """The chains of which something failed in the time that is meant, in the order in which they began."""
    groups: dict[str, list[Execution]] = {}
    for one in list(found.values()):
        groups.setdefault(_root_of(door, one, found), []).append(one)
    meant = [
        Broken(read_chain(found[root_id], members), found[root_id])
        for root_id, members in groups.items()
        if any(_failed_within(one, row.since, row.until) for one in members)
    ]
    return sorted(meant, key=lambda broken: number_of(broken.root.get("id")))


def with_unnoted(door: N8nDoor, broken: list[Broken]) -> list[Broken]:
    """The same, with the retries that succeeded and which n8n has noted in the list of successes alone.

    One that waited, or that n8n was killed before, is such a one. The newest of each workflow are read.
    """
    oldest: dict[str, int] = {}
    for one in broken:
        if not one.chain.succeeded:
            number = number_of(one.root.get("id"))
            oldest[one.workflow_id] = min(number, oldest.get(one.workflow_id, number))
    retried: dict[str, str] = {}
    for workflow_id, number in oldest.items():
        for success in executions_since(door, "success", workflow_id, "", str(number), MOST_SUCCESS_PAGES):
            if success.get("retryOf"):
                retried[text(success.get("retryOf"))] = text(success.get("id"))
    return [_with_success(one, retried) for one in broken]


def _with_success(broken: Broken, retried: Mapping[str, str]) -> Broken:
    known = broken.chain.succeeded
    succeeded = known or next((retried[one] for one in broken.chain.members if one in retried), "")
    return broken._replace(chain=replace(broken.chain, succeeded=succeeded))


def _root_of(door: N8nDoor, execution: Execution, found: dict[str, Execution]) -> str:
    """What the chain of an execution began with, as far back as n8n still knows."""
    one = execution
    for _ in range(MOST_ABOVE):
        above = text(one.get("retryOf"))
        if above and above not in found:
            known = door.execution(above)
            if known:
                found[above] = {name: known.get(name) for name in KEPT}
        if not above or above not in found:
            break
        one = found[above]
    return text(one.get("id"))


def failed_at(execution: Execution) -> datetime | None:
    """When an execution failed; None where n8n does not say."""
    return moment(execution.get("stoppedAt")) or moment(execution.get("startedAt"))


def _failed_within(execution: Execution, since: datetime, until: datetime) -> bool:
    at = failed_at(execution)
    return execution.get("status") in FAILED and at is not None and since <= at < until


def choose_workflows(row: ReplayRow, ids: set[str], known: Workflows) -> set[str]:
    """Those of the workflows that failed which are meant.

    Raises:
        Unanswerable: none is called so, or more than one.
    """
    if row.tag:
        return {one for one in ids if row.tag in known.find(one).tags}
    if not row.workflow:
        return ids
    if row.workflow in ids:
        return {row.workflow}
    named = sorted((known.find(one) for one in ids), key=lambda one: (one.name, one.id))
    found = [one for one in named if one.name == row.workflow]
    found = found or [one for one in named if one.name.casefold() == row.workflow.casefold()]
    if len(found) == 1:
        return {found[0].id}
    if found:
        told = ", ".join(one.id for one in found[:20])
        raise Unanswerable(f"{len(found)} workflows are called {row.workflow!r}: name one by its id ({told})")
    raise Unanswerable(_none_called_so(row.workflow, named))


def _none_called_so(asked: str, named: list[Workflow]) -> str:
    if not named:
        return f"no workflow is called {asked!r} or has that id among those with failed executions: nothing failed then"
    told = ", ".join(f"{one.name} ({one.id})" for one in named[:20])
    more = f" and {len(named) - 20} more" if len(named) > 20 else ""
    return f"no workflow with failed executions in that time is called {asked!r}; those that have some: {told}{more}"
