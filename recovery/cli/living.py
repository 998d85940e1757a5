"""Whether a worker lives, for whoever supervises one."""

import click

from recovery import clock
from recovery.store.sites import FRESH_SECONDS, latest_beat


def tell_whether_a_worker_lives() -> None:
    """Say when a worker last beat.

    Raises:
        ClickException: none ever did, or none does now.
    """
    beat = latest_beat()
    if beat is None:
        raise click.ClickException("no worker has ever beaten on this database")
    age = (clock.utc_now() - beat).total_seconds()
    if age >= FRESH_SECONDS:
        raise click.ClickException(f"the last worker's heartbeat came {age:.0f} seconds ago")
    click.echo(f"a worker lives: its last heartbeat came {max(age, 0.0):.0f} seconds ago")
