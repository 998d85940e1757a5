"""`medic playbook`: what would be done about a failure. Nothing is done here."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from recovery.config import Config


@click.group(short_help="What would be done about a failure.")
def playbook() -> None:
    """What would be done about a failure.

    \b
    Example:
      medic playbook explain orders-api
    """


@playbook.command(short_help="Tell what would be done about a component or an incident, and when.")
@click.argument("what")
@click.option("--failure-type", default="server_unresponsive", show_default=True, help="Of a component's failure.")
def explain(what: str, failure_type: str) -> None:
    """Tell what would be done about WHAT, a component's name or an incident's number, and when. Nothing is done.

    \b
    Example:
      medic playbook explain orders-api --failure-type api_error
      medic playbook explain 17
    """
    from recovery.cli.commands import has_history, open_database, read_config
    from recovery.cli.explaining import asked_for
    from recovery.cli.explaining import explain as lines_of
    from recovery.model import FailureType

    if failure_type not in list(FailureType):
        raise click.UsageError(f"no failure type {failure_type!r}; there are {', '.join(FailureType)}")
    config = read_config()
    if what.isdigit():
        open_database(config)
    elif has_history(config):
        _open_if_it_answers(config)
    try:
        asked = asked_for(config, what, failure_type)
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from None
    click.echo("\n".join(lines_of(config, asked)))


def _open_if_it_answers(config: "Config") -> None:
    """What is configured can be told without a database, too."""
    from recovery.cli.commands import open_database

    try:
        open_database(config)
    except click.ClickException as away:
        click.echo(f"Without what people chose and what helped so far: {away.message}", err=True)
