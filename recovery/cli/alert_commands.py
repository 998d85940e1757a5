"""The commands of `medic` about messages: try a channel, and see what people would be told."""

import sys
from pathlib import Path

import click

from recovery.model import AlertKind

KIND = click.Choice([kind.value for kind in AlertKind])
LANGUAGE = click.Choice(["en", "ko"])


@click.command("test-alert", short_help="Send a test over a channel, and say what became of it.")
@click.option("--channel", "names", multiple=True, metavar="NAME", help="Which channel; may be given several times.")
@click.option("--all", "every", is_flag=True, help="All channels that are configured.")
@click.option("--kind", type=KIND, default="test", show_default=True, help="What the message is made of.")
@click.option("--language", type=LANGUAGE, help="In which language; default: as configured.")
def test_alert(names: tuple[str, ...], every: bool, kind: str, language: str | None) -> None:
    """Send a message over a channel, now, and say what the provider answered. It says that it is a test.

    Nothing is recorded, and nothing is tried again. The exit code is 0 where every channel took it.

    \b
    Example:
      medic test-alert --channel team
      medic test-alert --all --kind needs_human --language ko
    """
    from recovery.cli.alert_tries import channels_of, try_channel
    from recovery.cli.commands import read_config

    config = read_config()
    try:
        plans = channels_of(config, names, every)
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from None
    taken = True
    for plan in plans:
        tried = try_channel(config, plan, kind, language or "")
        click.echo(tried.text, err=not tried.taken)
        taken = taken and tried.taken
    sys.exit(0 if taken else 1)


@click.command("preview-alert", short_help="Print what people would be told.")
@click.option("--kind", type=KIND, default="needs_human", show_default=True, help="What the message is about.")
@click.option("--channel", default="console", show_default=True, help="As which kind of channel gets it; html: a mail.")
@click.option("--language", type=LANGUAGE, help="In which language; default: as configured.")
@click.option("--facts", type=click.Path(path_type=Path), help="A JSON file with an alert's facts; default: made up.")
def preview_alert(kind: str, channel: str, language: str | None, facts: Path | None) -> None:
    """Print a message as a kind of channel gets it, with the templates that are configured. Nothing is sent.

    \b
    Example:
      medic preview-alert --kind opened --channel sms --language ko
      medic preview-alert --channel html > mail.html
    """
    from recovery.cli.alert_tries import made_up, show
    from recovery.cli.commands import read_config

    config = read_config()
    try:
        message = made_up(config, kind, language or "", facts)
        text = show(message, channel)
    except (ValueError, KeyError) as error:
        raise click.UsageError(str(error.args[0])) from None
    for fault in message.faults:
        click.echo(f"a template of yours could not be used: {fault}", err=True)
    click.echo(text, nl=False)
