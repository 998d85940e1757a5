"""A scene on SQLite, and one on PostgreSQL where two workers share a database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.scene import Scene
from tests.standins.n8n import StandInN8n
from tests.standins.receiver import Receiver


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """One n8n-medic on SQLite, in pieces."""
    with StandInN8n() as n8n, Receiver() as hook:
        found = Scene(tmp_path, n8n, hook)
        yield found
        found.close()


@pytest.fixture
def shared(tmp_path: Path, postgres_url: str) -> Iterator[Scene]:
    """The same on PostgreSQL."""
    with StandInN8n() as n8n, Receiver() as hook:
        found = Scene(tmp_path, n8n, hook, postgres_url)
        yield found
        found.close()
