"""What has to be read of n8n before a chain is touched."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from recovery.decide.replay import Chain
from recovery.model import ExecutionState, N8nDoor, N8nError
from recovery.sources.shapes import moment, section, text
from recovery.store import database, sites
from recovery.store.tables import ExecutionRow

# In this order, so that a run which moves on while it is looked for is found where it went: what is under way first,
# what has ended after it, the root last. Successes are found by `retrySuccessId` of the failed ones, or by
# `orphan_success`: the many that are no retry need not be read.
STATUSES = ("new", "waiting", "running", "waiting", "error", "crashed", "canceled")
MOST_PAGES, PAGE = 40, 250
MOST_SAVED, MOST_LOOKED_AT = 20, 5
MOST_UNLISTED, GAPS = 250, 3
CLOCKS_APART = timedelta(minutes=10)
UNREADABLE, TOO_MANY = "unreadable", "too_many"
REFUSALS = {"auth": "unauthorized", "forbidden": "forbidden", "too_old": "too_old"}  # by the kind of error

log = logging.getLogger("medic.worker")


def site_state(problem: N8nError) -> str:
    """What an error of an n8n's says of the n8n itself."""
    return REFUSALS.get(problem.kind, "unreachable")


def read_details(door: N8nDoor, execution_id: str) -> Mapping[str, Any] | None:
    """An execution with its data; None where it is gone.

    Raises:
        N8nError: of the kind UNREADABLE where n8n gives it without its data and not with it, however often.
    """
    try:
        return door.execution(execution_id, with_data=True)
    except N8nError as problem:
        if (problem.permanent and problem.kind != "client") or door.ready():
            raise
        if door.execution(execution_id) is None:
            return None
        raise N8nError(str(problem), UNREADABLE) from None


def read_details_or(door: N8nDoor, listed: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same, or as n8n lists it where it has no data, or does not give it."""
    try:
        return read_details(door, text(listed.get("id"))) or listed
    except N8nError as problem:
        if problem.kind != UNREADABLE:
            raise
        log.warning("execution %s is read without its data: %s", listed.get("id"), problem)
        return listed


def true_root(door: N8nDoor, row: ExecutionRow) -> Mapping[str, Any] | None:
    """The execution that the chain began with, as far back as n8n still knows; None where it knows nothing of it."""
    root = door.execution(row.root_id) or door.execution(row.leaf_id)
    for _ in range(MOST_PAGES):
        above = door.execution(text(root.get("retryOf"))) if root and root.get("retryOf") else None
        if above is None:
            break
        root = above
    return root


def read_members(
    door: N8nDoor, row: ExecutionRow, root: Mapping[str, Any], known: Iterable[str] = (), read_to: int = 0
) -> list[Mapping[str, Any]]:
    """The executions of the chain's workflow that may belong to it: not succeeded, and newer than its root.

    Newer by n8n's numbers: by its times a retry is older than its root where the clock was set back in between.

    Args:
        read_to: everything up to this number was read before, and all that belongs to the chain is `known`.
    """
    found: list[Mapping[str, Any]] = [one for name in known if read_to and (one := door.execution(name))]
    older_than = str(max(number_of(root.get("id")), read_to))
    for status in STATUSES:
        found += executions_since(door, status, row.workflow_id, "", older_than)
    seen = row.seen_id if row.seen_id not in {text(one.get("id")) for one in found} else ""
    return [*found, one] if seen and (one := door.execution(seen)) else found


def find_unlisted_retry(door: N8nDoor, members: Collection[str], since: datetime | None) -> Mapping[str, Any] | None:
    """A retry of one of them that n8n has and lists nowhere: what waits in its queue is given by its number alone.

    Args:
        since: look for one that was asked for after that moment; None: for one newer than all that n8n lists.

    Raises:
        N8nError: of the kind TOO_MANY where more have to be looked at than can be.
    """
    page, _ = door.executions(limit=250 if since else 1)
    began = {number_of(one.get("id")): moment(one.get("startedAt")) for one in page}
    newest = max((*map(number_of, members), *began))
    number = _number_before(since, began) if since else newest
    asked = gaps = 0
    while number < newest or gaps < GAPS:
        number += 1
        if number in began:
            continue
        if asked == MOST_UNLISTED:
            raise N8nError("more executions wait in n8n's queue than can be looked through", TOO_MANY)
        one, asked = door.execution(str(number)), asked + 1
        gaps = gaps + 1 if one is None and number > newest else 0
        if one and one.get("retryOf") in members:
            return one
    return None


def _number_before(since: datetime, began: Mapping[int, datetime | None]) -> int:
    """A number that n8n had given before that moment, and not long before."""
    older = [number for number, at in began.items() if at and at < since - CLOCKS_APART]
    return max(older) if older else min(began, default=1) - 1


def executions_since(
    door: N8nDoor, status: str, workflow_id: str, started_after: str, older_than: str, pages: int = MOST_PAGES
) -> Iterator[Mapping[str, Any]]:
    """Executions of one status, newest first, back to the id `older_than`, of at most that many pages."""
    cursor = ""
    for _ in range(pages):
        page, cursor = door.executions(status, workflow_id, started_after, cursor, PAGE)
        for execution in page:
            if number_of(execution.get("id")) <= number_of(older_than):
                return
            yield execution
        if not cursor:
            return


def number_of(execution_id: Any) -> int:
    """n8n's number of an execution; 0 where it is none."""
    found = str(execution_id)
    return int(found) if found.isascii() and found.isdigit() else 0


def vanished(door: N8nDoor, row: ExecutionRow, chain: Chain) -> str:
    """The retry that was seen running and that n8n has no more; "" where there is none.

    A success that n8n does not save is deleted at its end, so it may have succeeded. What a person allowed since then
    is allowed knowing that.
    """
    seen = row.seen_id or ""
    gone = seen and not row.permit and seen not in chain.members and door.execution(seen) is None
    return seen if gone else ""


def saves_successes(door: N8nDoor, execution_id: str) -> bool:
    """Whether n8n certainly saves a success of this execution's retry: the settings that it was begun with say so, or a
    success of a workflow like it was saved.

    What n8n itself does where a workflow's settings say nothing, nobody outside can read.
    """
    told = _saving_of(section(read_details(door, execution_id), "workflowData"))
    if told in ("all", "none"):
        return told == "all"
    page, _ = door.executions("success", limit=MOST_SAVED)
    others = dict.fromkeys(text(one.get("workflowId")) for one in page)
    return any(_saving_of(door.workflow(other)) not in ("all", "none") for other in list(others)[:MOST_LOOKED_AT])


def _saving_of(workflow: Mapping[str, Any] | None) -> str:
    return text(section(workflow, "settings").get("saveDataSuccessExecution"))


def has_gone_back(door: N8nDoor, site: str) -> bool:
    """Whether n8n does not have the newest execution any more that it was seen to have."""
    page, _ = door.executions(limit=1)
    with database.read():
        known = sites.find_site(site)
    return bool(known and (known.newest_id or 0) > max((number_of(one.get("id")) for one in page), default=0))


def is_stranger(row: ExecutionRow, root: Mapping[str, Any]) -> bool:
    """Whether n8n has given the chain's number to another run: its database was made anew, or put back."""
    began = moment(root.get("startedAt"))
    other = text(root.get("workflowId")) not in ("", row.workflow_id)
    return other or (began is not None and began > row.failed_at + CLOCKS_APART)


def orphan_success(
    door: N8nDoor, row: ExecutionRow, root: Mapping[str, Any], chain: Chain, members: Iterable[str]
) -> str:
    """A success of the chain that its root does not tell of; "" where there is none.

    n8n may have pruned that root. And where n8n dies just as a retry begins, it runs that when it starts again and
    notes it nowhere else. A call of ours of which nothing is seen is looked for as far back as it was made; somebody
    else's is looked for among the newest only, or each chain of an outage would read all that has succeeded since.

    Raises:
        N8nError: of the kind TOO_MANY where more have succeeded since our call than can be read.
    """
    is_pruned = str(root.get("id")) != row.root_id or bool(root.get("retryOf"))
    asked_at = row.started_at if row.state == ExecutionState.RETRYING and chain.leaf_id == row.leaf_id else None
    since = (asked_at - CLOCKS_APART).isoformat() if asked_at and not is_pruned else ""
    pages = MOST_PAGES if is_pruned or asked_at else 1
    known = {row.root_id, *chain.members, *members}
    read = 0
    for one in executions_since(door, "success", row.workflow_id, since, row.root_id, pages):
        if text(one.get("retryOf")) in known:
            return text(one.get("id"))
        read += 1
    if asked_at and read >= MOST_PAGES * PAGE:
        raise N8nError("more executions have succeeded since the retry than can be looked through", TOO_MANY)
    return ""
