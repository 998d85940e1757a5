"""The commands of `medic`. Each imports what it needs only when it runs, so that `--help` is quick."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from recovery.cli.alert_commands import preview_alert, test_alert
from recovery.cli.audit import audit
from recovery.cli.connect import connect
from recovery.cli.init import init
from recovery.cli.logs import set_up_logging
from recovery.cli.playbook import playbook
from recovery.cli.replay import replay
from recovery.cli.run_action import run_action
from recovery.cli.tokens import tokens
from recovery.config import Config, ConfigProblems, ensure_secrets, load_config

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Length(click.ParamType):
    """A length of time, such as 30s or 2m; seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click."""
        from recovery.model.durations import parse_duration

        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group(context_settings=HELP)
@click.option("--config", "path", metavar="FILE", help="The YAML file; default: MEDIC_CONFIG, else ./medic.yaml.")
@click.version_option(package_name="n8n-medic", prog_name="medic")
def main(path: str | None) -> None:
    """Keeps n8n and the services around it alive: hears a failure, heals it, calls a person when it cannot.

    \b
    Example:
      medic check-config
      medic serve
    """
    if path:
        os.environ["MEDIC_CONFIG"] = path  # the processes that serve starts read it too


def read_config() -> Config:
    """The configuration, or its problems on standard error and exit code 2."""
    try:
        return load_config()
    except ConfigProblems as problems:
        click.echo(str(problems), err=True)
        sys.exit(2)


def complete_config(given: Config) -> tuple[Config, bool]:
    """The configuration with every secret, and whether any was made now."""
    try:
        return ensure_secrets(given)
    except ConfigProblems as problems:
        click.echo(str(problems), err=True)
        sys.exit(2)


for command in (audit, init, connect, playbook, preview_alert, replay, run_action, test_alert, tokens):
    main.add_command(command)


@main.command(short_help="Run n8n-medic: its web part and its worker.")
def serve() -> None:
    """Run n8n-medic: the web part and the worker, each started again when it dies, until Ctrl-C.

    \b
    Example:
      MEDIC_BIND=127.0.0.1:8808 medic serve
    """
    from recovery.cli.serving import serve_until_told

    given = read_config()
    set_up_logging()
    sys.exit(serve_until_told(given, complete_config))


@main.command(short_help="Run the worker alone.")
@click.option("--check", is_flag=True, help="Only say whether a worker lives (exit code 1: none does).")
def worker(check: bool) -> None:
    """Run the worker alone: for several machines on PostgreSQL, or under a supervisor of your own.

    \b
    Example:
      MEDIC_DATABASE_URL=postgresql://medic@db/medic medic worker
      medic worker --check
    """
    if check:
        from recovery.cli.living import tell_whether_a_worker_lives

        open_database(read_config())
        tell_whether_a_worker_lives()
        return
    from recovery.cli.serving import can_open
    from recovery.worker.__main__ import AnotherWorker
    from recovery.worker.__main__ import main as run_worker

    config, _ = complete_config(read_config())
    set_up_logging()
    if not can_open(config):
        sys.exit(1)
    try:
        run_worker(config)
    except AnotherWorker as held:
        raise click.ClickException(str(held)) from None


@main.command("check-config", short_help="Check the configuration, and say what it would do.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the file, for editors, and nothing else.")
def check_config(schema: bool) -> None:
    """Check the configuration; say every problem at once (exit code 2), or what it would do.

    \b
    Example:
      medic --config medic.yaml check-config
      medic check-config --schema > medic.schema.json
    """
    from recovery.cli.alert_tries import faults_of_templates
    from recovery.cli.summary import describe
    from recovery.cli.telling import notes_on_calls
    from recovery.config.load import config_path
    from recovery.config.notes import notes_on
    from recovery.config.schema import render_schema

    if schema:
        click.echo(render_schema(), nl=False)
        return
    config = read_config()
    found = config_path(None, os.environ)
    none = f"There is no medic.yaml in {Path.cwd()}; the defaults and the environment are valid."
    click.echo(f"{found} is valid." if found else none)
    click.echo(f"\n{describe(config)}")
    notes = [*notes_on(config, os.environ), *notes_on_calls(config)]
    if notes:
        click.echo("\nWorth a look:\n" + "\n".join(f"  - {note}" for note in notes))
    if faults := faults_of_templates(config):
        click.echo("\nIn your templates of messages:\n" + "\n".join(f"  - {fault}" for fault in faults), err=True)
        sys.exit(2)


@main.command(short_help="Say what is wired and what is not, with what to do.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def doctor(as_json: bool) -> None:
    """Say what is wired and what is not: n8n-medic itself, each n8n, its key, its error handler and error workflows.

    Nothing is changed. Each line is ok, warn or fail; the exit code is 1 where one fails, 2 where the configuration
    cannot be read.

    \b
    Example:
      medic doctor
      medic doctor --json
    """
    from recovery.cli.diagnosing import diagnose, show_findings

    findings = list(diagnose(read_config()))
    click.echo(show_findings(findings, as_json))
    sys.exit(1 if any(one.state == "fail" for one in findings) else 0)


@main.command("run-check", short_help="Run the check of a component once, now.")
@click.argument("name")
def run_check(name: str) -> None:
    """Run the check of the component NAME once, now, and print what it saw.

    Nothing is recorded or remembered; a heartbeat is judged by what was heard of it. The exit code is 0 where it is
    healthy, 1 where it is not, or where something is over its limit that would count only if it lasted.

    \b
    Example:
      medic run-check orders-api
    """
    from recovery.cli.checking import look_at, over_limits, show_reading

    config = read_config()
    try:
        reading = look_at(config, name)
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from None
    click.echo(show_reading(name, reading))
    sys.exit(0 if reading.healthy and not over_limits(reading) else 1)


@main.command(short_help="Look at this machine, and report it to n8n-medic elsewhere.")
@click.option("--to", metavar="URL", help="The address of n8n-medic, such as https://medic.example.com.")
@click.option("--token-file", type=click.Path(), help="Holds the webhook token; else MEDIC_WEBHOOK_TOKEN(_FILE).")
@click.option("--name", metavar="NAME", help="Of this machine's own component; default: its host name.")
@click.option("--file", "path", type=click.Path(), help="What to look at: `components:` as in medic.yaml.")
@click.option("--every", type=Length(), default="30s", show_default=True, help="From round to round.")
@click.option("--silent-after", type=Length(), help="When n8n-medic misses it; default: 4 rounds, 1m at least.")
@click.option("--ca-file", type=click.Path(), help="Certificates to trust instead of the usual ones.")
@click.option("--restarts", type=click.Path(), help="What n8n-medic may ask this agent to restart; nothing without.")
@click.option("--agent-token-file", type=click.Path(), help="Holds this agent's own token, with --restarts.")
@click.option("--once", is_flag=True, help="One round; exit code 1 where it was not taken.")
@click.option("--memory", type=click.Path(), help="What --once remembers for the next one; default: in ~/.local/state.")
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
def agent(once: bool, **options: Any) -> None:
    """Look at this machine (CPU, memory, disks, GPUs ...) and report it to the n8n-medic of another one.

    A file names other components, each with a check; the agent only looks, and n8n-medic decides. Its silence is a
    failure there.

    \b
    Example:
      medic agent --to https://medic.example.com --token-file /etc/medic/webhook_token --name db-server
      medic agent --dry-run --once --file agent.yaml
    """
    from recovery.cli.agent_running import run_agent

    set_up_logging()
    sys.exit(run_agent(once, **options))


@main.command()
@click.option("--since", default="7d", show_default=True, metavar="WHEN", help="A time, or how long ago: 24h, 30d.")
@click.option("--until", default="0s", metavar="WHEN", help="A time, or how long ago; default: now.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def report(since: str, until: str, as_json: bool) -> None:
    """Count what failed, how it was healed and how long that took.

    Times are ISO 8601; one without a zone is UTC.

    \b
    Example:
      medic report --since 30d
      medic report --since 2026-01-01 --until 2026-02-01 --json
    """
    from recovery.cli.reporting import print_report
    from recovery.clock import utc_now

    now = utc_now()
    first, last = _moment(since, now, "--since"), _moment(until, now, "--until")
    if first >= last:
        raise click.UsageError("--since must be before --until")
    open_database(read_config())
    print_report(first, last, as_json)


def _moment(text: str, now: datetime, option: str) -> datetime:
    from recovery.cli.moments import read_moment

    try:
        return read_moment(text, now)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def has_history(config: Config) -> bool:
    """Whether a running n8n-medic has made the database; one on another machine is taken to be there."""
    from recovery.store.database import sqlite_path

    path = sqlite_path(config.database_url)
    return path is None or path.exists()


def open_database(config: Config) -> Any:
    """Open the database that a running n8n-medic has made; or say why that cannot be, and end."""
    from recovery.store import database

    if not has_history(config):
        path = database.sqlite_path(config.database_url)
        raise click.ClickException(
            f"There is no history yet: {path} does not exist. Start n8n-medic first (medic serve)."
        )
    from recovery.cli.serving import why_not_opened

    try:
        return database.open_database(config.database_url, migrate=False)
    except Exception as error:
        raise click.ClickException(why_not_opened(error, config)) from None
