"""Who was called because a service was down is told, too, that some of its runs wait for a decision."""

import pytest

from recovery.model import OrderWhat
from recovery.worker.polling import poll_sites
from tests.conftest import FakeClock
from tests.story.moment import HOST, Moment

pytestmark = pytest.mark.usefixtures("store")


class Night(Moment):
    """A service is down until a person was called; then runs fail that may have had their effect."""

    def __init__(self, clock: FakeClock):
        super().__init__(clock, "POST")
        self.hear(self.fail(), self.fail())
        self.engine.run(400, 5)
        self.answers(504)
        self.hear(self.fail(), self.fail(), self.fail())

    def answers(self, status: int) -> None:
        self.n8n.hosts[HOST] = status

    def sign_of_health(self) -> None:
        """The service is well, and a run of the same workflow proves it."""
        self.answers(200)
        self.clock.advance(1)
        self.fail()
        poll_sites(self.engine.ctx)
        self.engine.run(120)

    def calls(self) -> int:
        return self.engine.alerts().count("needs_human")


@pytest.fixture
def night(fake_clock: FakeClock) -> Night:
    night = Night(fake_clock)
    assert night.engine.incident().state == "needs_human" and night.calls() == 1
    return night


def test_a_question_that_comes_up_after_a_person_was_called_is_told(night: Night) -> None:
    night.sign_of_health()
    assert night.engine.recovery().state == "awaiting_approval"
    assert night.calls() == 2 and "a person decides" in night.engine.incident().because


def test_a_question_that_was_told_is_not_told_again_when_more_is_tried(night: Night) -> None:
    night.sign_of_health()
    night.answers(503)
    night.hear(night.fail())
    night.sign_of_health()
    assert night.engine.recovery().id == 3 and night.engine.recovery().state == "awaiting_approval"
    assert night.calls() == 2


@pytest.mark.parametrize("what", [OrderWhat.APPROVE, OrderWhat.RETRY_NOW])
def test_what_a_person_ordered_and_fails_again_is_told(night: Night, what: OrderWhat) -> None:
    night.sign_of_health()
    before = night.calls()
    night.answers(503)
    if what is OrderWhat.RETRY_NOW:
        night.hear(night.fail())
    night.order(what)
    night.engine.run(120)
    assert night.engine.incident().state == "needs_human" and night.calls() == before + 1


def test_a_new_question_after_an_answered_one_is_told(night: Night) -> None:
    night.sign_of_health()
    night.order(OrderWhat.REJECT)
    night.answers(504)
    night.hear(night.fail())
    night.sign_of_health()
    assert night.engine.recovery().state == "awaiting_approval" and night.calls() == 3
