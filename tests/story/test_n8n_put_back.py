"""An n8n whose database is put back from a backup has lost what was done since, and gives its numbers again."""

from copy import deepcopy
from typing import Any

import pytest

from recovery.model import OrderWhat
from recovery.store.tables import SiteRow
from recovery.worker.polling import poll_sites
from tests.conftest import FakeClock
from tests.story.memory_n8n import Flow
from tests.story.moment import HOST, Moment

pytestmark = pytest.mark.usefixtures("store")


class PutBack(Moment):
    """n8n is backed up after it failed, and put back an hour later."""

    def __init__(self, clock: FakeClock, method: str = "GET"):
        super().__init__(clock, method)
        self.backup: dict[str, Any] = {}

    def back_up(self) -> None:
        self.backup = deepcopy(self.n8n.runs)

    def lose(self, runs: int = 4) -> None:
        """Some runs that no backup has, an hour, and n8n as it was."""
        self.n8n.flows["ok"] = Flow("ok", "ok.example.com")
        for _ in range(runs):
            self.n8n.call("ok")
        poll_sites(self.engine.ctx)
        self.clock.advance(3600)
        self.n8n.runs = deepcopy(self.backup)

    def go_on(self, seconds: int = 900) -> None:
        """n8n runs something, is polled, and what follows from that is done."""
        self.n8n.call("ok")
        for _ in range(seconds // 30):
            poll_sites(self.engine.ctx)
            self.engine.run(30, 5)


@pytest.fixture
def moment(fake_clock: FakeClock) -> PutBack:
    return PutBack(fake_clock)


def test_what_had_recovered_is_not_run_again(moment: PutBack) -> None:
    run = moment.fail()
    moment.back_up()
    moment.n8n.hosts.clear()
    moment.hear(run)
    moment.engine.run(60)
    assert moment.engine.chains() == {run: "recovered"} and moment.ours() == 1
    moment.lose()
    moment.go_on()
    assert moment.ours() == 1, moment.engine.history("execution")
    assert moment.engine.chains() == {run: "recovered"}


def test_what_a_person_left_as_it_is_stays_so(fake_clock: FakeClock) -> None:
    moment = PutBack(fake_clock, "POST")
    moment.n8n.hosts[HOST] = 504
    run = moment.fail()
    moment.back_up()
    moment.hear(run)
    moment.order(OrderWhat.REJECT)
    moment.engine.run(30)
    moment.order(OrderWhat.RESOLVE)
    moment.engine.run(30)
    moment.lose()
    moment.go_on()
    assert len(moment.engine.incidents()) == 1 and moment.engine.incident().state == "resolved"


def test_what_failed_before_first_contact_stays_old(fake_clock: FakeClock) -> None:
    moment = PutBack(fake_clock)
    SiteRow.delete().execute()
    moment.fail()
    moment.back_up()
    poll_sites(moment.engine.ctx)
    moment.n8n.hosts.clear()
    moment.lose()
    moment.go_on()
    assert moment.ours() == 0 and not moment.engine.incidents()


def test_what_waited_is_healed_once(moment: PutBack) -> None:
    run = moment.fail()
    moment.back_up()
    moment.hear(run)
    moment.engine.run(10)
    before = moment.ours()
    assert before and moment.engine.chains() == {run: "waiting"} and moment.engine.chain(run).leaf_id != run
    moment.lose()
    moment.n8n.hosts.clear()
    moment.go_on()
    assert moment.engine.chains() == {run: "recovered"} and moment.ours() == before + 1


def test_a_retry_that_was_under_way_is_not_asked_for_again(moment: PutBack) -> None:
    """n8n did it and had no time to answer; what it wrote down of it is in no backup."""
    moment.n8n.settings = {"saveDataSuccessExecution": "all"}
    run = moment.fail()
    moment.back_up()
    moment.n8n.hosts[HOST] = "slow"
    moment.n8n.after_retry = lambda: setattr(moment.n8n, "up", False)
    moment.hear(run)
    moment.n8n.up = True
    moment.lose(runs=0)
    SiteRow.update(newest_id=2).execute()
    moment.n8n.hosts.clear()
    moment.engine.run(120)
    assert moment.ours() == 1 and "gone" in moment.engine.chain(run).because
    moment.go_on()
    assert moment.ours() == 1 and moment.engine.chain(run).asks
    moment.order(OrderWhat.APPROVE)
    moment.engine.run(60)
    assert moment.engine.chains() == {run: "recovered"}


def test_a_retry_whose_number_another_run_has_by_now_is_not_asked_for_again(moment: PutBack) -> None:
    run = moment.fail()
    moment.back_up()
    moment.n8n.hosts[HOST] = "slow"
    moment.hear(run)
    moment.n8n.up = False
    moment.engine.run(60)
    moment.n8n.up = True
    moment.lose()
    moment.n8n.hosts.clear()
    moment.go_on()
    assert moment.ours() == 1 and moment.engine.chain(run).asks, moment.engine.history("execution")
    assert "put back" in moment.engine.chain(run).because


def test_what_fails_afterwards_is_heard_whatever_had_its_number(moment: PutBack) -> None:
    run = moment.fail()
    moment.back_up()
    lost = moment.fail()
    moment.n8n.hosts.clear()
    moment.hear(run, lost)
    moment.engine.run(60)
    moment.lose()
    moment.n8n.hosts[HOST] = 503
    assert moment.fail() == lost
    moment.go_on(60)
    assert moment.engine.chains()[lost] in ("waiting", "retrying")
    moment.n8n.hosts.clear()
    moment.go_on()
    assert moment.engine.chains() == {run: "recovered", lost: "recovered", f"old1:{lost}": "recovered"}
