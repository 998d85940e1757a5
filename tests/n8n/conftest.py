"""One n8n per run for the contract: the stand-in always, the real one where `-m n8n` asks for it."""

from collections.abc import Iterator

import pytest

from tests.n8n.real import RealN8n
from tests.n8n.world import World
from tests.standins.n8n import StandInN8n

REAL_TIMEOUT_SECONDS = 900  # the first start may have to install n8n


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("n8n") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(REAL_TIMEOUT_SECONDS))


@pytest.fixture(scope="session")
def real_n8n() -> Iterator[RealN8n]:
    """The real n8n, one for all tests that want it."""
    with RealN8n() as n8n:
        yield n8n


@pytest.fixture(scope="session", params=["stand-in", pytest.param("real", marks=pytest.mark.n8n)])
def either_world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A stand-in or the real n8n, with a service to call and a place where errors are told."""
    if request.param == "real":
        with World(request.getfixturevalue("real_n8n")) as world:
            yield world
        return
    with StandInN8n() as n8n, World(n8n) as world:
        yield world


@pytest.fixture
def world(either_world: World) -> World:
    """The same, with the service forgetful of earlier tests."""
    either_world.begin_afresh()
    return either_world
