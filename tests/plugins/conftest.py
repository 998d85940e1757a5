"""What the plugin tests share."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.plugins.dockers import Daemon
from tests.plugins.servers import Site


@pytest.fixture
def site():
    server = Site()
    yield server
    server.close()


@pytest.fixture
def folder():
    made = tempfile.mkdtemp(prefix="medic-docker-")  # a short path: a socket's may not be long
    yield Path(made)
    shutil.rmtree(made)


@pytest.fixture
def daemon(folder):
    """Docker's API on a socket."""
    made = Daemon(folder / "s")
    yield made
    made.close()
