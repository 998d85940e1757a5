"""The n8n of a story: the stand-in in `make test`, a real one in `make test-n8n`; and which are told twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.n8n.real import RealN8n
from tests.standins.n8n import StandInN8n
from tests.standins.service import Service

HERE = Path(__file__).parent
# What is about locks, transactions and who comes first is told on both engines in `make test`. The other stories are
# about decisions, which no engine changes: on PostgreSQL they are told again in `make test-again`.
ON_BOTH = {"attacks_postgresql", "brakes", "isolation", "moments"}

# These wait for real seconds, with several real processes; what they tell of is decided and stored by what is tested by
# values and in told time as well.
WAIT_LONG = {"agent", "agent_restarts", "replay_command"}

# Hours of a world go by in these; what they look for, `test_trust` and the tests of each decision look for too.
GO_ON_LONG = {"connectivity_attacks", "properties"}

# Of the stories that a real n8n tells in `make test-n8n`, `make test` tells these on the stand-in.
SOON_TOLD = {
    "test_a_503_is_healed_by_the_canary_and_twenty_more_are_replayed_exactly_once",
    "test_one_that_keeps_failing_goes_through_all_stages_and_reaches_every_channel",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is told again, or at length."""
    for item in items:
        if item.path.parent == HERE and _is_for_later(item):
            item.add_marker(pytest.mark.again)


def _is_for_later(item: pytest.Item) -> bool:
    name = item.path.stem.removeprefix("test_")
    told_on = item.callspec.params if hasattr(item, "callspec") else {}
    twice = told_on.get("store") == "postgresql" and name not in ON_BOTH
    at_length = name == "n8n_stories" and getattr(item, "originalname", "") not in SOON_TOLD
    return twice or at_length or name in WAIT_LONG | GO_ON_LONG


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
