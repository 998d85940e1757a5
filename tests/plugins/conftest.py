"""What the plugin tests share."""

import pytest

from tests.plugins.servers import Site


@pytest.fixture
def site():
    server = Site()
    yield server
    server.close()
