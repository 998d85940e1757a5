"""Tells the worker that this web process lives, and hears: what falls silent while none does is not called silent."""

import logging
import os
import socket
import threading
from typing import Any

from recovery import clock
from recovery.store import database, sites

log = logging.getLogger(__name__)
BEAT_SECONDS = 5.0


def start_beating(config: Any) -> threading.Thread:
    """Beat in a thread of its own for as long as the process lives; to be called once in each web process."""
    thread = threading.Thread(target=_beat, args=(config.database_url,), name="heartbeat", daemon=True)
    thread.start()
    return thread


def _beat(url: str) -> None:
    name, pause = f"web {socket.gethostname()}-{os.getpid()}", threading.Event()
    while True:
        try:
            beat_once(name, url)
        except Exception as problem:  # noqa: BLE001 a database that is away is told of by each request
            log.debug("no heartbeat: %s", problem)
            database.close_broken(problem)
        pause.wait(BEAT_SECONDS)


def beat_once(name: str, url: str) -> None:
    """One heartbeat of a web process, which opens the database where no request has."""
    if not database.database_url():
        database.open_database(url)
    with database.write():
        sites.beat_web(name, clock.utc_now())
