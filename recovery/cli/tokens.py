"""`medic tokens`: which tokens there are, what each is good for, and where it is kept."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from recovery.config import Config
from recovery.config.secrets import secret_path
from recovery.model.scopes import SCOPES
from recovery.model.secrets import read_secret_file

OTHERS = (
    ("webhook", "webhook_token", "send signals to /webhooks/..., and sign them"),
    ("api", "api_token", "do everything at /api/v1 that an operator may: keep it out of n8n"),
)


@click.command(short_help="Say which tokens there are, and where each is kept.")
def tokens() -> None:
    """Say which tokens there are, what each is good for, and where it is kept; on a terminal, show them too.

    What lives inside n8n takes the scoped ones: signals, probes, report, replay.

    \b
    Example:
      medic tokens
    """
    from recovery.cli.commands import read_config

    click.echo(describe_tokens(read_config(), sys.stdout.isatty()), nl=False)


def describe_tokens(config: Config, may_show_secrets: bool) -> str:
    """Each token's name, its meaning and its place; the token itself only where a person looks on (a terminal)."""
    known = [*OTHERS, *((scope.name, scope.setting, scope.meaning) for scope in SCOPES)]
    lines = (line for one in known for line in _lines(config, may_show_secrets, *one))
    return "\n".join(lines) + "\n"


def _lines(config: Config, may_show_secrets: bool, name: str, setting: str, meaning: str) -> Iterator[str]:
    yield f"{name}: who shows it may {meaning}"
    given, path = getattr(config, setting), secret_path(config, setting)
    if given:
        yield f"  where: in the configuration ({setting}), or in MEDIC_{setting.upper()} (_FILE)"
        return
    known = _is_there(path)
    yield f"  where: {path}{'' if known else ', which the first start makes'}"
    if known and may_show_secrets:
        yield f"  token: {_token(path)}"


def _token(path: Path) -> str:
    try:
        return read_secret_file(path)
    except ValueError as error:
        return f"cannot be read: {error}"


def _is_there(path: Path) -> bool:
    """Also where it may not be looked at: reading it tells why."""
    try:
        return path.exists()
    except OSError:
        return True
