"""`medic serve`: sets up the database, says where everything is, and runs the web and the worker."""

import logging
import sys
from collections.abc import Callable

import click

from recovery.cli.banner import first_start_text, later_start_text
from recovery.cli.serve import CannotListen, Service, Supervisor, listen
from recovery.config import Config
from recovery.store.database import close_database, open_database, sqlite_path

log = logging.getLogger("medic.serve")
TO_OWN = "It must belong to the user who runs n8n-medic, as all in that folder."


def serve_until_told(given: Config, complete: Callable[[Config], tuple[Config, bool]]) -> int:
    """Run until SIGINT or SIGTERM; the exit code (1 where it cannot start).

    `complete` makes the secrets: only once the port is ours, so that the one start that shows them succeeds.
    """
    try:
        door = listen(given.bind)
    except CannotListen as error:
        click.echo(str(error), err=True)
        return 1
    config, is_first = complete(given)
    click.echo(first_start_text(given, config, sys.stdout.isatty()) if is_first else later_start_text(config))
    sys.stdout.flush()
    if not can_open(config):
        return 1
    return Supervisor([web_service(door.fileno()), worker_service()]).run()


def can_open(config: Config) -> bool:
    """Set up the database; where it does not open, a person reads why."""
    try:
        open_database(config.database_url)
    except Exception as error:  # whatever the driver raises, a person must read why nothing starts
        log.debug("the database cannot be opened", exc_info=True)
        click.echo(why_not_opened(error, config), err=True)
        return False
    close_database()
    return True


def why_not_opened(error: Exception, config: Config) -> str:
    """Why, in a line, without the address, which may hold a password."""
    if isinstance(error, PermissionError):
        return f"The database cannot be opened: {error.filename}: {error.strerror}. {TO_OWN}"
    text = (str(error).strip().splitlines() or ["no reason given"])[0]
    said = text.replace(config.database_url, "the configured database_url")
    file = sqlite_path(config.database_url)
    return f"The database cannot be opened: {file or type(error).__name__}: {said}"


def web_service(listener: int) -> Service:
    """gunicorn on an inherited socket."""
    settings = ["-c", "python:recovery.cli.gunicorn_settings", "--bind", f"fd://{listener}"]
    return Service("web", [sys.executable, "-m", "gunicorn", *settings, "webhook_server.wsgi:app"], (listener,))


def worker_service() -> Service:
    """The worker."""
    return Service("worker", [sys.executable, "-m", "recovery", "worker"])
