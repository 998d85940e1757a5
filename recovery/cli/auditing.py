"""Runs `medic audit`: looks at each n8n, shows what is not as it should be, and has it mended where a person agrees."""

import json
import sys
from dataclasses import asdict
from typing import Any

import click

from recovery.checks.auditing import read_audit
from recovery.cli.audit_fixing import Fixing
from recovery.cli.audit_words import show_audit, show_rules
from recovery.cli.connecting import Refused
from recovery.cli.reaching import open_n8n
from recovery.cli.serving import why_not_opened
from recovery.clock import utc_now
from recovery.config import Config, ConfigProblems, N8n, ensure_secrets, load_config
from recovery.decide.auditing import RULES, audit, reaches, to_fix
from recovery.model import Audit, AuditFacts, AuditSeverity
from recovery.store import audits, wirings
from recovery.store.database import TROUBLE, open_database, sqlite_path, write


def run_audit(sites: tuple[str, ...], rules: bool, fixes: bool, yes: bool, as_json: bool, fail_on: str) -> int:
    """Audit; the exit code."""
    if rules:
        show_rules(RULES, as_json)
        return 0
    if yes and not fixes:
        raise click.UsageError("--yes is for --fix")
    if fixes and not yes and (as_json or not _is_terminal()):
        raise click.UsageError("--fix asks before each change: without a terminal, or with --json, add --yes")
    try:
        config = load_config()
        config = ensure_secrets(config)[0] if fixes else config
        found = [_audit(config, n8n, fixes, yes, as_json) for n8n in _chosen(config, sites)]
    except ConfigProblems as problems:
        click.echo(str(problems), err=True)
        return 2
    except Refused as refused:
        click.echo(f"Nothing more was changed: {refused}", err=True)
        return 1
    if as_json:
        click.echo(json.dumps([_told(one) for one in found], ensure_ascii=False, indent=2))
    limit = None if fail_on == "never" else AuditSeverity(fail_on)
    return 1 if limit and any(reaches(one.findings, limit) for one in found) else 0


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _chosen(config: Config, names: tuple[str, ...]) -> list[N8n]:
    known = {n8n.name: n8n for n8n in config.n8n}
    if not known:
        raise click.UsageError("no n8n is configured: medic connect")
    for name in names:
        if name not in known:
            raise click.UsageError(f"--n8n {name}: there is none; there are {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names or known)]


def _audit(config: Config, n8n: N8n, fixes: bool, yes: bool, quiet: bool) -> Audit:
    """Look, show, and where that is wished mend and look again."""
    has_database = _open(config, fixes)
    found = _look(config, n8n, has_database)
    if not quiet:
        show_audit(found)
    if not fixes or not to_fix(found):
        return found
    tell = (lambda line: click.echo(line, err=True)) if quiet else click.echo
    Fixing(config, _door(n8n), found, tell, yes).run()
    after = _look(config, n8n, has_database)
    with write():
        audits.keep_audit(after, utc_now(), "medic audit")
    if not quiet:
        click.echo("\nAnd now:")
        show_audit(after)
    return after


def _door(n8n: N8n) -> Any:
    return open_n8n(n8n.name, str(n8n.url).rstrip("/"), n8n.api_key)


def _look(config: Config, n8n: N8n, has_database: bool) -> Audit:
    if not n8n.api_key:
        return audit(AuditFacts(n8n.name, utc_now(), "no API key is set"))
    ours = _handlers(n8n.name) if has_database else ()
    return audit(read_audit(_door(n8n), config.audit_plan(n8n.name), ours, utc_now()))


def _handlers(site: str) -> tuple[str, ...]:
    try:
        return wirings.find_handlers(site)
    except TROUBLE:
        return ()  # a database of before: nothing was connected from here


def _open(config: Config, changes: bool) -> bool:
    """Open the database, which --fix writes what it does into; whether there is one."""
    path = sqlite_path(config.database_url)
    if not changes and path is not None and not path.exists():
        return False
    try:
        open_database(config.database_url, migrate=changes)
    except Exception as error:  # whatever the driver raises, a person must read it
        if changes:
            raise Refused(why_not_opened(error, config)) from None
        return False
    return True


def _told(found: Audit) -> dict[str, Any]:
    told = asdict(found)
    return {"n8n": told.pop("site"), **told, "made_at": found.made_at.isoformat()}
