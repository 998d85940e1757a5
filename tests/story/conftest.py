"""The n8n of a story: the stand-in in `make test`, a real one in `make test-n8n`."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.n8n.real import RealN8n
from tests.standins.n8n import StandInN8n
from tests.standins.service import Service


@pytest.fixture(scope="session")
def real_n8n() -> Iterator[RealN8n]:
    """One real n8n for all stories."""
    with RealN8n() as n8n:
        yield n8n


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.n8n)])
def n8n(request: pytest.FixtureRequest) -> Iterator[Any]:
    """An n8n, its error workflow not yet wired."""
    if request.param == "real":
        yield request.getfixturevalue("real_n8n")
        return
    with StandInN8n() as stand_in:
        yield stand_in


@pytest.fixture
def service() -> Iterator[Service]:
    """What the workflows call, with every call counted."""
    with Service() as found:
        yield found
