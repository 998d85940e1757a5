"""Runs `medic connect`: brings options, configuration, the person's answers and the n8n together."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from recovery.cli.answers import given_up, on_a_terminal
from recovery.cli.connecting import Connecting, Refused, Request, chosen_before, one_at_a_time, undo
from recovery.cli.itself import medic
from recovery.cli.medic_yaml import Entry, FileChange, plan_file, write_file
from recovery.cli.reaching import open_n8n
from recovery.cli.shipped_files import FOLDER, HANDLER, BadFiles, read_shipped, usual
from recovery.cli.wiring import Stopped
from recovery.cli.wiring_words import show_difference
from recovery.config import Config, ConfigProblems, ensure_secrets, load_config
from recovery.config.load import config_path
from recovery.config.secrets import secret_path
from recovery.model import N8nError, Shipped
from recovery.model.secrets import read_secret_file
from recovery.store.database import open_database, sqlite_path

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Manner:
    """How it is done: `asks` a person, only shows (`dry_run`), leaves medic.yaml alone (`no_config`)."""

    asks: bool
    dry_run: bool
    no_config: bool
    begin_dry_run: bool | None


def run_connect(**options: Any) -> int:
    """Connect, or take it back; the exit code: 0 where all is as wished, 1 where not, 2 for the configuration."""
    try:
        return _run(**options)
    except ConfigProblems as problems:
        click.echo(str(problems), err=True)
        return 2
    except (Refused, BadFiles) as refused:
        click.echo(f"Nothing was changed: {refused}", err=True)
    except (Stopped, N8nError) as stopped:
        click.echo(f"{stopped}\nWhat was changed until then is written down: run `{medic()} connect` again.", err=True)
    except KeyboardInterrupt:
        click.echo("\nInterrupted. What was changed until then is written down: run the same command again.", err=True)
    except OSError as error:
        click.echo(f"{error.filename or 'A file'}: {error.strerror or error}", err=True)
    except click.Abort:
        click.echo(given_up("Nothing was changed."), err=True)
    return 1


def _run(
    url: str, api_key: str, api_key_file: str, name: str, address: str, workflows: str, everything: bool,
    only: tuple[str, ...], tagged: tuple[str, ...], replace: bool, reinstall: bool, renew: bool,
    begin_dry_run: bool | None, files: Path | None, no_config: bool, dry_run: bool, undoes: bool, yes: bool,
) -> int:  # fmt: skip
    if everything and (only or tagged):
        raise click.UsageError("--all is without --only and --tag")
    config = _read_config(dry_run)
    entry = _entry(config, name, url, _given_key(api_key, api_key_file))
    door = open_n8n(entry.name, entry.url, entry.api_key)
    manner = Manner(not yes, dry_run, no_config, begin_dry_run)
    with one_at_a_time(config.data_dir):
        has_database = _open(config, dry_run)
        if undoes:
            return _undo(door, manner, has_database)
        shipped = read_shipped(files or FOLDER)
        chosen = _chosen(workflows, shipped, chosen_before(entry.name) if has_database else ())
        where = _address("--address", address) if address else config.public_url
        request = Request(where, chosen, only, tagged, replace, reinstall, renew)
        connecting = Connecting(config, door, shipped, request, has_database, click.echo)
        return _connect(connecting, entry, manner)


def _connect(connecting: Connecting, entry: Entry, manner: Manner) -> int:
    _refuse_second_name(connecting.config, entry)
    connecting.look()
    connecting.show()
    config = connecting.config
    begins = manner.begin_dry_run
    change = plan_file(config, entry, begins, os.environ)
    _show_file(change, manner)
    if not connecting.wiring.changes and not _writes(change, manner) and begins in (None, config.dry_run):
        click.echo(f"Nothing to change: n8n {entry.name} is connected.")
        return 0
    if manner.dry_run:
        click.echo("Nothing was changed (--dry-run).")
        return 0
    if manner.asks and not click.confirm("Change it?", default=True):
        raise Refused("you said no")
    if begins is None and manner.asks and on_a_terminal():
        change = plan_file(config, entry, _ask_dry_run(config), os.environ)
    if _writes(change, manner):
        write_file(change, os.environ)
        click.echo(f"  {change.path} is written: n8n-medic reads it when it starts")
    good = connecting.apply()
    click.echo(_end(entry, good))
    if _writes(change, manner):
        click.echo(f"Now start n8n-medic (again, if it runs): it reads {change.path} only then.")
    return 0 if good else 1


def _refuse_second_name(config: Config, entry: Entry) -> None:
    for one in config.n8n:
        if one.name != entry.name and str(one.url).rstrip("/") == entry.url:
            raise Refused(f"{entry.url} is configured as n8n {one.name} already: give --name {one.name}")


def _end(entry: Entry, good: bool) -> str:
    if good:
        return f"n8n {entry.name} is connected. `{medic()} doctor` says how it stands; --undo takes it back."
    return "Not all went well: each line that begins with ! says what to do."


def _writes(change: FileChange, manner: Manner) -> bool:
    return change.is_needed and not manner.no_config and not change.refused


def _show_file(change: FileChange, manner: Manner) -> None:
    if not change.is_needed:
        return
    if manner.no_config or change.refused:
        why = f" ({change.refused})" if change.refused else ""
        click.echo(f"{change.path} is left alone{why}. What belongs there:\n{change.snippet}")
        return
    if change.key_file:
        click.echo(f"{change.key_file} (mode 600) will hold the API key.")
    if change.old != change.new:
        click.echo(f"To be written into {change.path}:\n{show_difference(str(change.path), change.old, change.new)}")


def _ask_dry_run(config: Config) -> bool:
    words = "Begin in dry run (everything is decided and recorded, nothing is done)?"
    return click.confirm(words, default=config.dry_run)


def _undo(door: Any, manner: Manner, has_database: bool) -> int:
    if not has_database:
        click.echo("Nothing was ever connected from here.")
        return 0
    if manner.dry_run:
        undo(door, click.echo, lambda: False)
        click.echo("Nothing was changed (--dry-run).")
        return 0

    def agreed() -> bool:
        return not manner.asks or click.confirm("Take it back?", default=True)

    good = undo(door, click.echo, agreed)
    click.echo(
        "Done. medic.yaml still names this n8n, and the component that looks at it:"
        " take both out there, if n8n-medic is not to look after it."
        if good
        else "Not all could be taken back: it stays written down, so that --undo can be run again."
    )
    return 0 if good else 1


# -- what the options mean


def _read_config(changes_nothing: bool) -> Config:
    """The configuration, with secrets made where there are none: the first start does not show these any more."""
    named = config_path(None, os.environ)
    given = load_config() if named is None or named.exists() else load_config(os.devnull)  # connect makes it
    if changes_nothing and not (given.data_dir / "webhook_token").exists():
        return given
    config, made = ensure_secrets(given)
    if made and not given.admin_password:
        where = secret_path(config, "admin_password")
        click.echo(f"The page's password, for the user admin, is made: it is in {where}.")
    return config


def _open(config: Config, changes_nothing: bool) -> bool:
    """Open the database; whether there is one."""
    path = sqlite_path(config.database_url)
    if changes_nothing and path is not None and not path.exists():
        return False
    from recovery.cli.serving import why_not_opened

    try:
        open_database(config.database_url, migrate=not changes_nothing)
    except Exception as error:
        raise Refused(why_not_opened(error, config)) from None
    return True


def _chosen(words: str, shipped: Mapping[str, Shipped], before: tuple[str, ...]) -> tuple[str, ...]:
    """The stems to install: what is said, else what an earlier connect has; the error handler is always among them."""
    stems = tuple(word.strip() for word in words.split(",") if word.strip())
    stems = stems or tuple(stem for stem in before if stem in shipped) or usual(shipped)
    for stem in stems:
        if stem not in shipped:
            raise click.UsageError(f"--workflows {stem}: there is none; there are {', '.join(shipped)}")
    return tuple(dict.fromkeys((HANDLER, *stems)))


def _given_key(api_key: str, file: str) -> str:
    if api_key and file:
        raise click.UsageError("--api-key or --api-key-file, not both")
    if api_key:
        click.echo("  ! the API key may be seen in the process list: --api-key-file, or type it", err=True)
        return api_key.strip()
    if file == "-":
        return sys.stdin.readline().strip()
    try:
        return read_secret_file(Path(file).expanduser()) if file else ""
    except ValueError as error:
        raise click.UsageError(f"--api-key-file: {error}") from None


def _entry(config: Config, name: str, url: str, key: str) -> Entry:
    """The n8n that is meant: what is not given is as configured, or asked for."""
    if not NAME.fullmatch(name):
        raise click.UsageError("--name: small letters, digits, - and _, at most 40 of them")
    known = next((one for one in config.n8n if one.name == name), None)
    address = _address("--url", url) if url else str(known.url).rstrip("/") if known else ""
    if not address:
        raise click.UsageError(f"no n8n named {name!r} is configured: give --url")
    key = key or (known.api_key if known else "")
    if not key and on_a_terminal():
        click.echo(f"An API key of {address}: in n8n, Settings > n8n API > Create an API key.")
        key = click.prompt("API key (not shown)", hide_input=True).strip()
    if not key:
        raise click.UsageError("there is no API key: --api-key-file FILE (or -), or MEDIC_N8N_API_KEY")
    return Entry(name, address, key)


def _address(option: str, text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(f"{option}: an address such as http://127.0.0.1:5678")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise click.UsageError(f"{option}: an address without a login, a ? or a #")
    path = re.sub(r"/(api/v1|home|workflows?|rest)(/.*)?$", "", parts.path.rstrip("/"))
    return f"{parts.scheme}://{parts.netloc}{path}".rstrip("/")
