"""`medic replay`: orders a replay of failed executions, and follows it."""

import getpass
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import click

HELP = "What failed executions to run again, after an outage."
WHEN = "A time with its zone, a day (UTC), or how long ago: 2h, '2h ago'."
WORKER_SILENT_SECONDS = 30.0


class Rate(click.ParamType):
    """How many a second, such as 5/s or 60/m."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click."""
        from pydantic_core import PydanticCustomError

        from recovery.config.types import parse_rate

        try:
            return parse_rate(value)
        except PydanticCustomError as error:
            self.fail(f"expected {error.message()}", param, ctx)


@click.command(short_help="Run failed executions again after an outage, each at most once.")
@click.option("--workflow", metavar="NAME", help="Of one workflow: its id or its name.")
@click.option("--tag", metavar="TAG", help="Of the workflows that have this tag in n8n.")
@click.option("--all", "every", is_flag=True, help="Of all workflows.")
@click.option("--since", metavar="WHEN", help=f"What failed from then on. {WHEN}")
@click.option("--until", default="now", metavar="WHEN", help="And before then; default: now.")
@click.option("--n8n", "site", metavar="NAME", help="Of which n8n, where there are several.")
@click.option("--dry-run", "dry", is_flag=True, help="Count and say what would be done; run nothing.")
@click.option("--yes", is_flag=True, help="Begin without asking.")
@click.option("--ambiguous", type=click.Choice(["ask", "retry", "leave"]), default="ask", show_default=True,
              help="What may repeat an effect: leave and list it, run it again, or leave it.")  # fmt: skip
@click.option("--rate", type=Rate(), help="Begin fewer than replay.rate allows, such as 1/s or 20/m.")
@click.option("--concurrency", type=click.IntRange(1), help="Fewer at once than replay.per_component allows.")
@click.option("--limit", type=click.IntRange(1), help="At most so many, the oldest first.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON instead of tables.")
@click.option("--follow", type=click.IntRange(1), metavar="ID", help="Follow a replay that was ordered earlier.")
@click.option("--cancel", type=click.IntRange(1), metavar="ID", help="Begin nothing more of a replay.")
def replay(follow: int | None, cancel: int | None, as_json: bool, yes: bool, **order: Any) -> None:
    """Run failed executions again after an outage: counted first, one of each workflow first, each at most once.

    What has succeeded by a retry, whoever made it, is never run again; what an open incident heals is left to it; what
    may repeat an effect is left and listed, unless --ambiguous says otherwise. The worker does it: Ctrl-C stops
    watching, and takes back only what this command has ordered and nobody has said yes to. The exit code is 0 where all
    that was to be run again has recovered, else 1.

    \b
    Example:
      medic replay --workflow "New orders" --since 2h --dry-run
      medic replay --all --since 2026-01-31T08:00+09:00 --until 2026-01-31T11:30+09:00
      medic replay --follow 3
      medic replay --cancel 3
    """
    from recovery.cli.commands import open_database, read_config
    from recovery.cli.watching import Watch

    meant = [name for name in ("workflow", "tag", "every") if order[name]]
    _check_what([*meant, *(name for name, given in (("follow", follow), ("cancel", cancel)) if given)])
    config = read_config()
    asked = read_order(config, order) if meant else None
    if asked and not (yes or asked.dry or can_ask()):
        raise click.UsageError("nobody can be asked here: add --yes, or --dry-run to count first")
    open_database(config)
    if cancel:
        _cancel(cancel, as_json)
        return
    number = _place(asked, yes) if asked else _known(follow or 0)
    sys.exit(Watch(number, as_json, yes, mine=asked is not None).run())


def _check_what(meant: Sequence[str]) -> None:
    if len(meant) != 1:
        given = f", not {len(meant)} of them" if meant else ""
        raise click.UsageError(f"say one of --workflow, --tag, --all, --follow and --cancel{given}")


class Order(NamedTuple):
    """A replay as it was asked for; see `ReplayRow`."""

    site: str
    workflow: str
    tag: str
    since: datetime
    until: datetime
    dry: bool
    ambiguous: str
    rate_per_second: float | None
    at_once: int | None
    most: int | None


def read_order(config: Any, given: dict[str, Any]) -> Order:
    """What the options mean.

    Raises:
        click.UsageError: they make no sense, or want more than the brakes of the configuration allow.
    """
    from recovery.clock import utc_now

    policy, now = config.policy(), utc_now()
    if not given["since"]:
        raise click.UsageError("--since is missing: from when on did executions fail? such as --since 2h")
    since, until = read_when(given["since"], now, "--since"), read_when(given["until"], now, "--until")
    if since >= until:
        raise click.UsageError(
            f"--since ({since:%Y-%m-%d %H:%M} UTC) must be before --until ({until:%Y-%m-%d %H:%M} UTC)"
        )
    _check_brakes(policy.replay, given["rate"], given["concurrency"])
    return Order(
        site=_site(policy.sites, given["site"]), workflow=given["workflow"] or "", tag=given["tag"] or "",
        since=since, until=until, dry=given["dry"], ambiguous=given["ambiguous"],
        rate_per_second=given["rate"], at_once=given["concurrency"], most=given["limit"],
    )  # fmt: skip


def read_when(text: str, now: datetime, option: str) -> datetime:
    """A moment of the command line. Raises click.BadParameter."""
    from recovery.cli.moments import read_certain_moment

    try:
        return read_certain_moment(text, now)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _check_brakes(limits: Any, rate: float | None, at_once: int | None) -> None:
    if rate and rate > limits.rate_per_second:
        told = f"--rate is more than replay.rate allows ({limits.rate_per_second:g}/s)"
        raise click.UsageError(f"{told}: change that in medic.yaml and restart, or leave out --rate")
    if at_once and at_once > limits.per_component:
        told = f"--concurrency is more than replay.per_component allows ({limits.per_component})"
        raise click.UsageError(f"{told}: change that in medic.yaml and restart, or leave out --concurrency")


def _site(sites: Sequence[str], given: str | None) -> str:
    if not sites:
        raise click.UsageError("no n8n with an API key is configured, so nothing can be run again: medic connect")
    if given is None and len(sites) > 1:
        raise click.UsageError(f"say which n8n with --n8n: {', '.join(sites)}")
    if given is not None and given not in sites:
        raise click.UsageError(f"no n8n named {given!r} is configured with an API key; there is: {', '.join(sites)}")
    return given or sites[0]


def can_ask() -> bool:
    """Whether a person sits at the terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _place(order: Order, yes: bool) -> int:
    from recovery.clock import utc_now
    from recovery.store import replays, sites

    now, beat = utc_now(), sites.latest_beat()
    if beat is None or (now - beat).total_seconds() > WORKER_SILENT_SECONDS:
        raise click.ClickException("n8n-medic's worker does not run, and it is what replays: start it (medic serve)")
    return int(replays.add_replay(whoever(), now, yes and not order.dry, **order._asdict()).id)


def whoever() -> str:
    """Who types."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "command line"


def _known(number: int) -> int:
    from recovery.store import replays

    if replays.find_replay(number) is None:
        raise click.ClickException(f"there is no replay {number}")
    return number


def _cancel(number: int, as_json: bool) -> None:
    from recovery.cli.watching import Watch
    from recovery.clock import utc_now
    from recovery.store import replays

    _known(number)
    if not replays.ask_to_cancel(number, whoever(), utc_now()):
        raise click.ClickException(f"replay {number} is over already")
    Watch(number, as_json, yes=True).run()
