"""`medic audit`: what is not wired, does not run, or will not for long in an n8n."""

import sys
from typing import Any

import click


@click.command(short_help="Say of each workflow what is not wired or does not run.")
@click.option("--n8n", "sites", multiple=True, metavar="NAME", help="This n8n alone; repeatable. Default: all.")
@click.option("--rules", is_flag=True, help="Print what is looked for, and look at nothing.")
@click.option("--fix", "fixes", is_flag=True, help="Mend what can be mended; each is shown and asked first.")
@click.option("--yes", is_flag=True, help="With --fix: ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option(
    "--fail-on",
    type=click.Choice(["bad", "warn", "info", "never"]),
    default="bad",
    show_default=True,
    help="Exit code 1 where anything is as bad as that.",
)
def audit(**options: Any) -> None:
    """Say what is not wired, does not run, or will not for long: of each workflow of an n8n, and of n8n itself.

    Without --fix nothing is changed, and no workflow is run; n8n tries its credentials. With it workflows are given
    the error handler (as medic connect does, which --undo of it takes back), and what has lost its webhook or schedule
    is published again: the version that is live, never a draft. The exit code is 0, or 1 by --fail-on, 2 for a wrong
    option or configuration.

    \b
    Example:
      medic audit
      medic audit --fix
      medic audit --n8n production --json --fail-on warn
    """
    from recovery.cli.auditing import run_audit

    sys.exit(run_audit(**options))
