"""Whether a worker lives, for whoever supervises one."""

import click

from recovery.clock import utc_now
from recovery.store.views_system import worker_trouble


def tell_whether_a_worker_lives() -> None:
    """Say whether a worker lives.

    Raises:
        ClickException: none does; the message says since when.
    """
    if trouble := worker_trouble(utc_now()):
        raise click.ClickException(trouble)
    click.echo("a worker lives")
