"""Asks n8n itself, so that nothing depends on an error workflow being wired: failures, and successes worth knowing."""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from recovery.decide.replay import NOBODYS
from recovery.model import N8nDoor, N8nError, Signal
from recovery.sources import n8n_error
from recovery.sources import n8n_execution as source
from recovery.sources.shapes import moment, text
from recovery.store import database, executions, renumbering, signals, sites
from recovery.store.tables import SiteRow
from recovery.worker.context import Context, now_for_effect
from recovery.worker.reading_n8n import executions_since, number_of, read_details_or, site_state
from recovery.worker.tagging import read_tags

log = logging.getLogger("medic.worker")
DEEP_EVERY = timedelta(minutes=10)
DEEP_BACK = timedelta(hours=25)
PAGE = 250
BATCH = 50
MOST_OLD_PAGES = 200
MOST_SUCCESS_PAGES = 10
OVERLAP = timedelta(minutes=1)


def poll_sites(ctx: Context) -> None:
    """Poll every n8n, each in a thread."""
    for site in ctx.policy.sites:
        pool = ctx.pool(f"poll {site}", 1)
        if pool.free:
            pool.run(poll_site, ctx, site)


def poll_site(ctx: Context, site: str) -> None:
    """One n8n: first contact, or what failed and succeeded since. What goes wrong is noted, and tried again."""
    door = ctx.doors.n8n(site)
    if door is None:
        return
    try:
        unready = door.ready()
        if unready:
            _note(site, "unreachable", unready)
            return
        _poll(ctx, site, door)
    except N8nError as problem:
        _note(site, site_state(problem), str(problem))


def _poll(ctx: Context, site: str, door: N8nDoor) -> None:
    with database.read():
        known = sites.find_site(site)
    now = now_for_effect()
    deep = known is None or known.deep_polled_at is None or now - known.deep_polled_at >= DEEP_EVERY
    read_tags(site, door, now, deep)  # first, so that what failed is triaged by the tags that it has
    if known is None or known.contact_at is None:
        first_contact(site, door, now)
        return
    notice_numbering(site, door, known, now)
    horizon = max(min(now, known.polled_at or now) - DEEP_BACK, now - ctx.failures_kept)
    hear_failures(site, door, deep, horizon)
    hear_successes(site, door, None if deep or not known.polled_at else known.polled_at - OVERLAP)
    with database.write():
        sites.set_well(site, now_for_effect(), polled_at=now, **({"deep_polled_at": now} if deep else {}))


def _note(site: str, state: str, detail: str, **changes: Any) -> None:
    with database.write():
        sites.set_site(site, state, detail, now_for_effect(), **changes)


def first_contact(site: str, door: N8nDoor, now: datetime) -> None:
    """Everything that has failed so far is old: noted, counted, and never replayed by itself."""
    old: list[str] = []
    for status in source.FAILED:
        cursor = ""
        for _ in range(MOST_OLD_PAGES):
            page, cursor = door.executions(status, cursor=cursor, limit=PAGE)
            old += [text(execution.get("id")) for execution in page]
            if not cursor:
                break
    with database.write():
        heard = signals.find_known_keys([n8n_error.execution_key(site, one) for one in old])
        unheard = [one for one in old if n8n_error.execution_key(site, one) not in heard]
        executions.note_members(site, unheard, None)
        # In the same transaction: who hears of a callback must see the old ones and the contact together, or neither.
        times = {"contact_at": now, "polled_at": now, "deep_polled_at": now}
        sites.set_site(site, "ok", "", now, old_failures=len(unheard), **times)


def notice_numbering(site: str, door: N8nDoor, known: SiteRow, now: datetime) -> None:
    """Whether n8n counts its executions anew: its newest one began later than a higher number was seen."""
    page, _ = door.executions(limit=1)
    newest = number_of(page[0].get("id")) if page else 0
    began = moment(page[0].get("startedAt")) if page else None
    anew = known.newest_id and known.newest_at and newest < known.newest_id and began and began > known.newest_at
    kept = _newest_before(door, known.newest_at) if anew and known.newest_at else 0
    with database.decide():
        if anew:
            log.warning("%s counts anew: newest %s, before %s; kept to %s", site, newest, known.newest_id, kept)
            renumbering.number_anew(site, now, n8n_error.execution_key(site, ""), kept)
        renumbering.set_newest(site, newest, now)


def _newest_before(door: N8nDoor, at: datetime) -> int:
    """The newest number that n8n had given then, of what it still has: a database that was put back has older ones."""
    page, _ = door.executions(limit=PAGE, started_before=at.isoformat())
    return max((number_of(one.get("id")) for one in page), default=0)


def hear_failures(site: str, door: N8nDoor, deep: bool, horizon: datetime) -> None:
    """Failures that no callback told of become signals; callback and poll of one execution count once.

    Args:
        horizon: what failed before it is known, or was dropped as too old.
    """
    for status in source.FAILED:
        unheard = reversed(list(_unheard(site, door, status, deep, horizon)))  # in the order they failed
        batch: list[Signal] = []
        try:
            for execution in unheard:
                batch.append(source.receive_failure(read_details_or(door, execution), site))
                if len(batch) >= BATCH:
                    _add(batch)
                    batch = []
        finally:  # what was read is kept, also where n8n breaks off in the middle
            _add(batch)


def _add(batch: list[Signal]) -> None:
    if batch:
        with database.write():
            signals.add_signals(batch, now_for_effect())


def _unheard(site: str, door: N8nDoor, status: str, deep: bool, horizon: datetime) -> Iterator[Mapping[str, Any]]:
    """Newest first, page by page. A page that is all known ends a quick poll; a deep one goes back to the horizon.

    A long run may fail after many younger ones: only a deep poll is sure to find it.
    """
    cursor = ""
    while True:
        page, cursor = door.executions(status, cursor=cursor, limit=PAGE)
        fresh = [one for one in _not_known(site, page) if (_ended(one) or horizon) >= horizon]
        yield from fresh
        oldest = moment(page[-1].get("startedAt")) if page else None
        too_old = oldest is not None and oldest < horizon
        if not cursor or (not deep and not fresh) or too_old:
            return


def _not_known(site: str, page: list[dict[str, Any]]) -> list[dict[str, Any]]:
    nobodys = [text(execution.get("id")) for execution in page if execution.get("mode") in NOBODYS]
    _note_nobodys(site, nobodys)
    ids = {text(execution.get("id")): execution for execution in page if execution.get("mode") not in NOBODYS}
    with database.read():
        members = executions.find_members([(site, one) for one in ids])
        keys = signals.find_known_keys([n8n_error.execution_key(site, one) for one in ids])
    return [
        execution
        for one, execution in ids.items()
        if (site, one) not in members and n8n_error.execution_key(site, one) not in keys
    ]


def _ended(execution: Mapping[str, Any]) -> datetime | None:
    return moment(execution.get("stoppedAt")) or moment(execution.get("startedAt"))


def _note_nobodys(site: str, ids: list[str]) -> None:
    """A manual run, say: noted, so that a retry of it is known for what it is."""
    with database.read():
        unknown = set(ids) - {one for _, one in executions.find_members([(site, one) for one in ids])}
    if unknown:
        with database.write():
            executions.note_members(site, sorted(unknown), None)


def hear_successes(site: str, door: N8nDoor, begun_after: datetime | None) -> None:
    """Where something waits: retries that succeeded, and for each workflow the newest success as a sign of health.

    Args:
        begun_after: what began earlier was read before; None reads back to the oldest failure, since a run that took
            long began long before it succeeded.
    """
    with database.read():
        hopeful = executions.find_hopeful_workflows(site)
    found: list[Signal] = []
    latest = now_for_effect() - OVERLAP  # a failure that lies ahead is of a clock that was wrong
    for workflow_id, failed_at in hopeful:
        newest, since = True, min(max(failed_at, begun_after or failed_at), latest).isoformat()
        for execution in executions_since(door, "success", workflow_id, since, "0", MOST_SUCCESS_PAGES):
            if newest or execution.get("retryOf"):
                found.append(source.receive_success(execution, site))
            newest = False
    _add(found)
