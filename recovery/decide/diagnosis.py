"""What is wired and what is not: facts in, one finding for each thing out, with what to do about it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from recovery.decide.coverage import cover, has_draft
from recovery.decide.shipped import addresses_of, calls_back, is_error_handler
from recovery.model import LIST_SCOPE, WITHOUT_LIST
from recovery.model.durations import write_duration

__all__ = ["Finding", "HostFacts", "SiteFacts", "State", "diagnose_host", "diagnose_site"]

WORKER_AWAY, WEB_AWAY = timedelta(seconds=60), timedelta(seconds=20)
KEY_SOON = timedelta(days=14)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_NAMES = 5
KEY_TODO = "make a key with these scopes in n8n (Settings > n8n API), then medic connect"
CONNECT = "medic connect"
REACH_DATABASE = "correct database_url, start PostgreSQL, or put a backup of the file in its place (docs/operating.md)"


class State(StrEnum):
    """How something stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: how it stands, what was seen, and what to do; "" where there is nothing to do."""

    state: State
    what: str
    because: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What is known of n8n-medic itself.

    Fields:
        file: the configuration's file; "" for none. folder: where it was looked for. notes: what in it is worth a look.
        database: why it cannot be used; "" where it can. is_new: there is none yet.
        worker_at, web_at: the last signs of life.
        public: the status of an answer from the public address, or why none came.
        channels: their names. loose: files of secrets that others may read. missing: secrets that are not made yet.
    """

    now: datetime
    public_url: str
    public: int | str
    file: str = ""
    folder: str = "this folder"
    notes: tuple[str, ...] = ()
    database: str = ""
    is_new: bool = False
    worker_at: datetime | None = None
    web_at: datetime | None = None
    channels: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What is known of one n8n.

    Fields:
        trouble: why it could not be asked; "" where it could. too_old: it can be healed, and not be connected.
        missing: scopes that the key lacks to heal; useful: to connect.
        workflows: all of them. handlers: ids of those that connect has made here.
        address: where it should call. proven_at: when a failure on purpose last arrived.
        unseen: a worker lives, and has not asked this n8n of late: it does not know it yet.
    """

    name: str
    url: str
    now: datetime
    has_key: bool = True
    trouble: str = ""
    too_old: bool = False
    version: str = ""
    missing: tuple[str, ...] = ()
    useful: tuple[str, ...] = ()
    key_ends: datetime | None = None
    workflows: tuple[Mapping[str, Any], ...] = ()
    handlers: tuple[str, ...] = ()
    address: str = ""
    proven_at: datetime | None = field(default=None)
    unseen: bool = False


def diagnose_host(facts: HostFacts) -> Iterator[Finding]:
    """How n8n-medic itself stands."""
    none = f"there is no medic.yaml in {facts.folder}; defaults and environment are valid"
    told = f"{facts.file} is valid" if facts.file else none
    yield Finding(State.OK, "configuration", told)
    for note in facts.notes:
        yield Finding(State.WARN, "configuration", note)
    if facts.dry_run:
        yield Finding(State.WARN, "dry run", "everything is decided and recorded, nothing is done", "dry_run: false")
    yield _database(facts)
    if not facts.is_new and not facts.database:
        yield _alive("worker", facts.worker_at, WORKER_AWAY, facts.now)
        yield _alive("web", facts.web_at, WEB_AWAY, facts.now)
    yield _public(facts)
    yield from _secrets(facts)
    if facts.channels:
        yield Finding(State.OK, "channels", ", ".join(facts.channels))


def _database(facts: HostFacts) -> Finding:
    if facts.database:
        return Finding(State.FAIL, "database", facts.database, REACH_DATABASE)
    if facts.is_new:
        return Finding(State.FAIL, "database", "there is none yet", "start n8n-medic: medic serve")
    return Finding(State.OK, "database", "it answers")


def _alive(part: str, at: datetime | None, away: timedelta, now: datetime) -> Finding:
    if at is None:
        return Finding(State.FAIL, part, "it has never run", "start n8n-medic: medic serve")
    ago = max(now - at, timedelta(0))
    if ago > away:
        told = f"its last sign of life was {write_duration(round(ago.total_seconds()))} ago"
        return Finding(State.FAIL, part, told, "start n8n-medic: medic serve")
    return Finding(State.OK, part, "it is alive")


def _public(facts: HostFacts) -> Finding:
    if facts.public == 200:
        return Finding(State.OK, "public URL", f"{facts.public_url} answers from here")
    told = f"{facts.public_url} answered {facts.public}" if isinstance(facts.public, int) else facts.public
    return Finding(State.FAIL, "public URL", told, "start n8n-medic, or correct public_url (MEDIC_PUBLIC_URL)")


def _secrets(facts: HostFacts) -> Iterator[Finding]:
    if facts.loose:
        todo = f"chmod 600 {' '.join(facts.loose)}"
        yield Finding(State.WARN, "tokens", f"others may read {', '.join(facts.loose)}", todo)
    if facts.missing:
        told = f"not made yet: {', '.join(facts.missing)}"
        yield Finding(State.WARN, "tokens", told, "the first start makes them: medic serve")
    if not facts.loose and not facts.missing:
        yield Finding(State.OK, "tokens", "all are there, and for its owner only")


# -- one n8n


def diagnose_site(facts: SiteFacts) -> Iterator[Finding]:
    """How one n8n stands."""
    what = f"n8n {facts.name}"
    if facts.unseen:
        told = "the worker does not look after it: it was configured after n8n-medic's start"
        yield Finding(
            State.FAIL, what, told, "start n8n-medic again; where it has just been started, wait for its first look"
        )
    if not facts.has_key:
        told = "no API key is set: its failures are heard of, but nothing can be retried"
        yield Finding(State.FAIL, what, told, f"{CONNECT} --name {facts.name}")
        return
    if facts.too_old:
        todo = "update n8n; until then import n8n_workflows/error-handler.json by hand"
        yield Finding(State.WARN, what, f"its failures are found and retried, but {facts.trouble}", todo)
        return
    if facts.trouble:
        yield Finding(State.FAIL, what, facts.trouble, f"correct its url or api_key, or {CONNECT} --name {facts.name}")
        return
    yield Finding(State.OK, what, f"{facts.url} is ready; version {facts.version or 'unknown (its metrics are off)'}")
    yield from _key(facts, f"{what}: API key")
    if LIST_SCOPE in facts.useful:
        yield Finding(State.WARN, f"{what}: workflows", WITHOUT_LIST, KEY_TODO)
        return
    yield from _handler(facts, f"{what}: error handler")
    yield from _coverage(facts, f"{what}: error workflows")


def _key(facts: SiteFacts, what: str) -> Iterator[Finding]:
    if facts.missing:
        yield Finding(State.FAIL, what, f"it lacks {', '.join(facts.missing)}", KEY_TODO)
    elif facts.useful:
        yield Finding(State.WARN, what, f"enough to heal; medic connect would need {', '.join(facts.useful)}", KEY_TODO)
    else:
        yield Finding(State.OK, what, "it has every scope that is needed")
    left = facts.key_ends - facts.now if facts.key_ends else None
    if left is not None and left < KEY_SOON:
        state = State.FAIL if left <= timedelta(0) else State.WARN
        told = f"it ends on {facts.key_ends:%Y-%m-%d}" if left > timedelta(0) else "it has ended"
        yield Finding(state, what, told, "make a new one in n8n, then medic connect")


def _handler(facts: SiteFacts, what: str) -> Iterator[Finding]:
    todo = f"{CONNECT} --name {facts.name}"
    rows = [one for one in facts.workflows if not one.get("isArchived") and _tells_us(one, facts)]
    live = next((one for one in rows if one.get("active")), None)
    if live is None and not rows:
        told = "there is none: failures are heard of only when n8n is asked, every 30 s"
        yield Finding(State.FAIL, what, told, todo)
        return
    if live is None:
        yield Finding(State.FAIL, what, f"{rows[0].get('name')} is not published, so n8n never runs it", todo)
        return
    version = live.get("activeVersion")
    calls = addresses_of(version if isinstance(version, Mapping) else live)
    if calls and facts.address not in calls:
        told = f"what is live of it calls {calls[0]}, and not {facts.address}"
        yield Finding(State.WARN, what, told, f"{todo}, where that is not meant")
    elif has_draft(live):
        yield Finding(State.WARN, what, "it is published, and has a draft beside it", "publish or discard the draft")
    else:
        yield Finding(State.OK, what, f"{live.get('name')} is published")
    yield from _proof(facts, what, todo)


def _proof(facts: SiteFacts, what: str, todo: str) -> Iterator[Finding]:
    if facts.proven_at:
        yield Finding(State.OK, what, f"a failure on purpose arrived on {facts.proven_at:%Y-%m-%d %H:%M} (UTC)")
        there = urlsplit(facts.url).hostname not in LOOPBACK
        if there and urlsplit(facts.address).hostname in LOOPBACK:
            yield Finding(State.WARN, what, f"n8n is elsewhere, and {facts.address} is this machine alone", todo)
        return
    yield Finding(State.WARN, what, "nobody has seen a failure arrive from it yet", f"{todo} proves it")


def _tells_us(workflow: Mapping[str, Any], facts: SiteFacts) -> bool:
    """Whether it is an error handler that calls n8n-medic: the one that we made, or one made by hand."""
    return workflow.get("id") in facts.handlers or (is_error_handler(workflow) and calls_back(workflow))


def _coverage(facts: SiteFacts, what: str) -> Iterator[Finding]:
    found = cover(facts.workflows)
    todo = f"{CONNECT} --name {facts.name}"
    if found.dead:
        told = f"{_some(found.dead)}: their error workflow is gone or not published, so n8n never runs it"
        yield Finding(State.FAIL, what, told, f"publish it, or {todo} --replace")
    if found.bare:
        told = f"{found.covered} of {found.counted} published workflows have one; not: {_some(found.bare)}"
        yield Finding(State.WARN, what, told, todo)
    if not found.dead and not found.bare:
        yield Finding(State.OK, what, f"{found.covered} of {found.counted} published workflows have one")


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(one[:60] for one in names[:MOST_NAMES]) + more
