"""A restart through an agent: what is asked, word for word, and that nothing but a name travels."""

import pytest
from pydantic import ValidationError

from recovery import actions
from recovery.clock import utc_now
from recovery.model import About, Asked, DoorError
from tests.plugins.plugins import FailingDoors

PLUGIN = actions.REGISTRY.find("restart_by_agent")
ABOUT = About("orders", utc_now(), cause="`rm -rf /`")


def args(**more):
    return PLUGIN.args.model_validate({"agent": "web1", "what": "orders", **more})


def test_it_asks_and_touches_nothing():
    assert PLUGIN.run(args(timeout="5m"), FailingDoors(DoorError("closed")), ABOUT) == Asked("web1", "orders", 300.0)
    assert PLUGIN.restarts and PLUGIN.safe_to_repeat


def test_a_dry_run_tells_exactly_what_would_be_asked():
    assert PLUGIN.preview(args(), FailingDoors(DoorError("closed")), ABOUT) == (
        "ask the agent web1 to restart 'orders', which is written out in its own configuration,"
        " and wait for its answer for at most 120 s"
    )


@pytest.mark.parametrize("more", [{"command": ["rm"]}, {"agent": ""}, {"what": ""}, {"what": ["a"]}, {"timeout": "0s"}])
def test_nothing_but_names_can_be_asked(more):
    with pytest.raises(ValidationError):
        args(**more)
