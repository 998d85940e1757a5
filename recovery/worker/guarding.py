"""One row that cannot be worked on must hold up no other."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from recovery.redact import redact_text
from recovery.store import database

log = logging.getLogger("medic.worker")
ASIDE = timedelta(seconds=30)
MOST_TOLD = 300


@contextmanager
def guarded(what: str, aside: Callable[[str], None], passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Work on one row in a savepoint of the transaction that is open: where it fails, it alone is undone.

    Args:
        what: names the row in the log: "incident 7".
        aside: called with the reason after a failure, in the outer transaction: puts the row off, or ends it.
        passing: failures that are not the row's own, and are passed on.
    """
    try:
        with database.savepoint():
            yield
    except passing:
        raise
    except Exception as problem:
        log.exception("%s could not be worked on", what)
        aside(told(problem))


def work_on_all(
    find: Callable[[], list[Any]], work: Callable[[list[Any]], None], what: str, aside: Callable[[Any, str], None]
) -> None:
    """Work on all rows together. Where that fails it is undone, and they are worked on one by one, each guarded.

    Args:
        find: the rows; read again after a failure, since work changes them.
        what, aside: as for `guarded`; `aside` is given the row too.
    """
    try:
        with database.savepoint():
            work(find())
    except Exception:
        log.exception("not every %s that is due could be worked on: each is tried by itself", what)
        for row in find():
            with guarded(f"{what} {row.id}", partial(aside, row)):
                work([row])


def told(problem: Exception) -> str:
    """A failure in a line that people may see."""
    return redact_text(f"{type(problem).__name__}: {problem}".replace("\x00", ""))[:MOST_TOLD]
