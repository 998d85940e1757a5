"""`medic alerts explain` and `medic silence`: who would be told when, and who is told of nothing for a time."""

import getpass
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from recovery.cli.commands import Length, open_database, read_config
from recovery.model import FailureType, Severity


@click.group(short_help="Who would be told, when, and why.")
def alerts() -> None:
    """Who would be told of a failure, when, and why.

    \b
    Example:
      medic alerts explain orders-api
    """


@alerts.command(short_help="Tell who would be told of a component or an incident, when, and why.")
@click.argument("what")
@click.option("--failure-type", default="server_unresponsive", show_default=True, help="Of a component's failure.")
@click.option(
    "--severity", type=click.Choice([str(one) for one in Severity]), help="Of the failure; default: the component's."
)
@click.option("--at", "moment", metavar="WHEN", help="As if it were then; default: now.")
def explain(what: str, failure_type: str, severity: str | None, moment: str | None) -> None:
    """Tell who would be told of WHAT, a component's name or an incident's number, when, and why. Nobody is told.

    \b
    Example:
      medic alerts explain orders-api --severity critical
      medic alerts explain 17
      medic alerts explain orders-api --at 2026-11-29T23:30:00+09:00
    """
    from recovery.cli.moments import read_moment
    from recovery.cli.telling import asked_for, explain_telling
    from recovery.clock import utc_now

    if failure_type not in list(FailureType):
        raise click.UsageError(f"no failure type {failure_type!r}; there are {', '.join(FailureType)}")
    config = read_config()
    if what.isdigit():
        open_database(config)
    now = utc_now()
    try:
        at = read_moment(moment, now) if moment else now
        asked = asked_for(config, what, failure_type, severity)
    except (KeyError, ValueError) as error:
        raise click.UsageError(str(error.args[0])) from None
    click.echo("\n".join(explain_telling(config, asked, at)))


@click.group(short_help="Have nobody told of some incidents for a time.")
def silence() -> None:
    """Have nobody told of some incidents for a time. They are still healed, and seen on the pages.

    \b
    Example:
      medic silence add --component orders-api --for 2h --note "moving it"
      medic silence list
      medic silence end 3
    """


@silence.command(short_help="Begin a silence.")
@click.option("--component", multiple=True, help="A component's name; may be given more than once.")
@click.option(
    "--failure-type", multiple=True, type=click.Choice([str(one) for one in FailureType]), help="A kind of failure."
)
@click.option("--severity", multiple=True, type=click.Choice([str(one) for one in Severity]), help="A severity.")
@click.option("--label", multiple=True, metavar="NAME=VALUE", help="A label that the component must have.")
@click.option("--for", "seconds", type=Length(), required=True, help="How long, such as 30m or 2h; a year at most.")
@click.option("--note", default="", help="Why, for others.")
def add(seconds: float, note: str, label: tuple[str, ...], **chosen: tuple[str, ...]) -> None:
    """Begin a silence now, of what fits everything that is given; the worker heeds it at once.

    \b
    Example:
      medic silence add --severity low --label team=shop --for 8h
    """
    from recovery.clock import utc_now
    from recovery.store import silences

    matcher: dict[str, Any] = {name: list(values) for name, values in chosen.items()}
    matcher["label"] = dict(_pair(one) for one in label)
    if not any(matcher.values()):
        raise click.UsageError("say what to silence: a component, a failure type, a severity or a label")
    if not 0 < seconds <= 365 * 86_400:
        raise click.UsageError("--for: more than nothing, and a year at most")
    open_database(read_config())
    now = utc_now()
    row = silences.add_silence(matcher, now, now + timedelta(seconds=seconds), note[:500], _who(), now)
    click.echo(f"silence {row.id} until {_shown(row.ends_at)}")


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise click.UsageError(f"--label {text!r}: write NAME=VALUE")
    return name, value


@silence.command("list", short_help="The silences that have not ended.")
def list_them() -> None:
    """The silences that have not ended.

    \b
    Example:
      medic silence list
    """
    from recovery.clock import utc_now
    from recovery.store import silences

    open_database(read_config())
    rows = silences.find_not_over(utc_now(), 1_000)
    for row in rows:
        said = [f"{name} {', '.join(value)}" for name, value in row.matcher.items() if value and name != "label"]
        said += [f"{name}={value}" for name, value in (row.matcher.get("label") or {}).items()]
        click.echo(
            f"{row.id}: {'; '.join(said)} until {_shown(row.ends_at)}, by {row.who}{f': {row.note}' * bool(row.note)}"
        )
    if not rows:
        click.echo("There is none.")


@silence.command(short_help="End a silence now.")
@click.argument("number", type=int)
def end(number: int) -> None:
    """End the silence NUMBER now: who was not called because of it is called.

    \b
    Example:
      medic silence end 3
    """
    from recovery.clock import utc_now
    from recovery.store import silences

    open_database(read_config())
    if silences.end_silence(number, _who(), utc_now()) is None:
        raise click.ClickException(f"there is no silence {number} that has not ended")
    click.echo(f"silence {number} has ended")


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in many containers
        return f"user {os.getuid()}"
