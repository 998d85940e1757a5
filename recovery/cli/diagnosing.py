"""`medic doctor`: gathers what is wired and what is not, and tells it, each with what to do."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path

from recovery.cli.access import TO_CONNECT, TO_HEAL
from recovery.cli.reaching import open_http, open_n8n
from recovery.cli.serving import why_not_opened
from recovery.cli.telling import notes_on_calls
from recovery.clock import utc_now
from recovery.config import Config, N8n
from recovery.config.load import config_path
from recovery.config.notes import notes_on
from recovery.config.secrets import secret_path
from recovery.config.settings import SECRET_NAMES
from recovery.decide.diagnosis import WORKER_AWAY, Finding, HostFacts, SiteFacts, State, diagnose_host, diagnose_site
from recovery.model import ChangeKind, DoorError, N8nError
from recovery.store import sites, wirings
from recovery.store.database import TROUBLE, open_database, sqlite_path

PUBLIC_SECONDS = 5.0
OF_LATE = timedelta(minutes=5)  # a worker asks each n8n every 30 s, and begins with it


def diagnose(config: Config) -> Iterator[Finding]:
    """All findings: n8n-medic itself, then each n8n."""
    is_new, trouble = _open(config)
    yield from diagnose_host(_host(config, is_new, trouble))
    has_database = not is_new and not trouble
    for n8n in config.n8n:
        yield from diagnose_site(_site(config, n8n, has_database))


def _open(config: Config) -> tuple[bool, str]:
    """Whether there is no database yet, and why the one that there is cannot be used."""
    path = sqlite_path(config.database_url)
    if path is not None and not path.exists():
        return True, ""
    try:
        open_database(config.database_url, migrate=False)
        sites.latest_beat()
    except Exception as error:  # whatever the driver raises, a person must read it
        return False, why_not_opened(error, config)
    return False, ""


def _host(config: Config, is_new: bool, trouble: str) -> HostFacts:
    found = config_path(None, os.environ)
    knows = not is_new and not trouble
    files = {name: secret_path(config, name) for name in SECRET_NAMES if not getattr(config, name)}
    return HostFacts(
        now=utc_now(),
        public_url=config.public_url,
        public=_public(config),
        file=str(found) if found else "",
        folder=str(Path.cwd()),
        notes=(*notes_on(config, os.environ), *notes_on_calls(config)),
        database=trouble,
        is_new=is_new,
        worker_at=sites.latest_beat("worker") if knows else None,
        web_at=sites.latest_beat("web") if knows else None,
        channels=tuple(channel.name for channel in config.alerts.channels),
        loose=tuple(str(path) for path in files.values() if _is_loose(path)),
        missing=tuple(name for name, path in files.items() if not path.exists()),
        dry_run=config.dry_run,
    )


def _public(config: Config) -> int | str:
    try:
        return open_http().request("GET", f"{config.public_url}/healthz", timeout_seconds=PUBLIC_SECONDS).status
    except DoorError as error:
        return f"{config.public_url} does not answer from here: {error}"


def _is_loose(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o077)


def _site(config: Config, n8n: N8n, has_database: bool) -> SiteFacts:
    found = _asked(config, n8n, has_database)
    return replace(found, unseen=has_database and bool(n8n.api_key) and _is_unseen(n8n.name, found.now))


def _is_unseen(site: str, now: datetime) -> bool:
    """Whether a worker lives that has not asked this n8n: it has read its configuration before that was in it."""
    try:
        beat, known = sites.latest_beat("worker"), sites.find_site(site)
    except TROUBLE:
        return False
    lives = beat is not None and now - beat < WORKER_AWAY
    return lives and (known is None or known.checked_at is None or now - known.checked_at > OF_LATE)


def _asked(config: Config, n8n: N8n, has_database: bool) -> SiteFacts:
    name, url, now = n8n.name, str(n8n.url).rstrip("/"), utc_now()
    if not n8n.api_key:
        return SiteFacts(name, url, now, has_key=False)
    door = open_n8n(name, url, n8n.api_key)
    try:
        if trouble := door.readiness():
            return SiteFacts(name, url, now, trouble=trouble)
        scopes = door.key_scopes()
        workflows = tuple(door.workflows()) if "workflow:list" in scopes else ()
        version = door.numbers().version
    except N8nError as error:
        return SiteFacts(name, url, now, trouble=str(error), too_old=error.kind == "too_old")
    wired = _wired(name) if has_database else ()
    return SiteFacts(
        name=name, url=url, now=now, version=version,
        missing=tuple(one for one in TO_HEAL if one not in scopes),
        useful=tuple(one for one in TO_CONNECT if one not in scopes),
        key_ends=door.key_ends(), workflows=workflows, handlers=wired,
        address=_address(name, config) if has_database else config.public_url,
        proven_at=wirings.proven_at(name) if wired else None,
    )  # fmt: skip


def _wired(site: str) -> tuple[str, ...]:
    """The ids of the error handlers that connect has made or adopted there."""
    try:
        return wirings.find_handlers(site)
    except TROUBLE:
        return ()


def _address(site: str, config: Config) -> str:
    """Where that n8n was last proven to reach us; else the public address."""
    try:
        proofs = [one.change for one in wirings.find_wired(site) if one.change.kind is ChangeKind.PROOF and one.done]
    except TROUBLE:
        proofs = []
    return str(proofs[-1].after.get("address")) if proofs else config.public_url


def show_findings(findings: list[Finding], as_json: bool) -> str:
    """The findings in lines, or as JSON."""
    if as_json:
        return json.dumps([asdict(one) for one in findings], ensure_ascii=False, indent=2)
    lines = []
    for one in findings:
        lines.append(f"{one.state.value:<5} {one.what}: {one.because}")
        lines += [f"        to do: {one.todo}"] if one.todo else []
    counted = {state: sum(one.state is state for one in findings) for state in State}
    lines.append(f"\n{counted[State.OK]} ok, {counted[State.WARN]} to look at, {counted[State.FAIL]} failing")
    return "\n".join(lines)
