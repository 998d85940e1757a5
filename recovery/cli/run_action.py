"""`medic run-action`: one action by hand. It is an order, which the worker carries out; nothing is run here."""

import sys
from typing import Any

import click


@click.command("run-action", short_help="Have the worker run one action on a component, by hand.")
@click.argument("component")
@click.argument("action", required=False, default="")
@click.option("--with", "given", multiple=True, metavar="KEY=VALUE|JSON", help="Arguments of your own; repeatable.")
@click.option("--dry-run", is_flag=True, help="Tell what it would do, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--note", default="", help="Why; it is kept in history.")
def run_action(component: str, action: str, given: tuple[str, ...], dry_run: bool, yes: bool, note: str) -> None:
    """Have the worker run one ACTION on COMPONENT now, and follow it to its end; then the component's check looks.

    ACTION is one that is configured for it (`restart`, or by its name in `actions` or in a playbook), or the kind of
    any action, with arguments of your own. Budgets, cooldown, breaker and approval do not hold it; another action on
    the component, or another restart on its host, does. Exit code: 0 done or not needed, 1 failed or refused, 2 not
    understood.

    \b
    Example:
      medic run-action orders-api restart --dry-run
      medic run-action orders-api restart --note "it hangs"
      medic run-action orders-api run_command --with '{"command": ["systemctl", "reload", "orders"]}'
    """
    from recovery.cli.commands import open_database, read_config

    config = read_config()
    asked, words = _understand(config, component, action, given)
    click.echo(words)
    if dry_run:
        return
    open_database(config)
    _order_and_follow(config, asked, yes, note)


def _understand(config: Any, component: str, action: str, given: tuple[str, ...]) -> tuple[Any, str]:
    """What is ordered, and what it would do in words."""
    from recovery.cli.acting import list_choices, preview, read_given
    from recovery.config.by_hand import NotRunnable, plan_by_hand
    from recovery.store.orders import ByHand

    try:
        own = read_given(given)
        if component in config.policy().components and not action:
            raise click.UsageError(f"Say which action of {component}:\n{list_choices(config, component)}")
        planned = plan_by_hand(config.policy(), component, action, own)
    except (NotRunnable, ValueError) as wrong:
        raise click.UsageError(str(wrong)) from None
    return ByHand(component, action, planned.args, own), preview(config, component, planned)


def _order_and_follow(config: Any, asked: Any, yes: bool, note: str) -> None:
    from recovery.cli.acting import Follower, give_order, why_not_run
    from recovery.clock import utc_now
    from recovery.store.orders import OrderRefused

    if trouble := why_not_run(utc_now()):
        raise click.ClickException(trouble)
    if not yes and not click.confirm("Have the worker do this now?"):
        click.echo("Nothing was done.")
        sys.exit(1)
    try:
        number = give_order(asked, note)
    except OrderRefused as refused:
        raise click.UsageError(str(refused)) from None
    click.echo(f"Order {number} is with the worker.")
    try:
        sys.exit(0 if Follower(number).follow() else 1)
    except KeyboardInterrupt:
        where = f"{config.public_url.rstrip('/')}/override#orders"
        click.echo(f"\nIt goes on without you. What becomes of it: {where}, or GET /api/v1/orders/{number}.")
        sys.exit(130)
