"""Who is told, at what hour, and who need not know: holds, digests, worsening, and what was healed quietly."""

import pytest

from recovery.alerts.messages import words
from recovery.model import AlertPolicy, ChannelPlan, Match, RoutePlan, Severity
from recovery.store.tables import AlertRow, BundleRow
from recovery.worker import sending
from tests.conftest import FakeClock
from tests.story.desk import ALL, Desk, plan
from tests.story.engine import restartable

pytestmark = pytest.mark.usefixtures("store")


def orders(severity: Severity) -> dict:
    return {"orders": restartable("orders", severity)}


def states() -> dict[str, str]:
    return {row.key: row.state for row in AlertRow.select()}


@pytest.mark.parametrize(
    ("severity", "at_once", "within_the_hold", "after_half_an_hour"),
    [
        (Severity.CRITICAL, {"team", "mail", "phone"}, {"team", "mail", "phone"}, {"team", "mail", "phone"}),
        (Severity.HIGH, set(), {"team", "mail"}, {"team", "mail"}),
        (Severity.MEDIUM, set(), set(), {"team"}),
        (Severity.LOW, set(), set(), set()),
    ],
)
def test_each_severity_is_told_at_its_hour(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch, severity, at_once, within_the_hold, after_half_an_hour
):
    desk = Desk(fake_clock, monkeypatch, components=orders(severity), escalate_after_seconds=7_200)
    desk.fail("orders")
    told = lambda: {one.channel for one in desk.told if one.kind in ("opened", "digest")}  # noqa: E731
    assert told() == at_once
    desk.engine.outside.up = False
    desk.wait(300, 10)
    assert told() == within_the_hold
    desk.wait(1_500, 10)
    assert told() == after_half_an_hour


def test_who_is_called_reads_what_was_tried_and_at_what_hour_of_their_own_clock(fake_clock, monkeypatch):
    policy = AlertPolicy(timezone="Asia/Seoul")
    desk = Desk(fake_clock, monkeypatch, alerting=policy, components=orders(Severity.CRITICAL))
    desk.fail("orders")
    assert desk.of("team", "opened")[0].facts["tried"] == []
    desk.wait(600, 10)
    facts = desk.of("team", "needs_human")[0].facts
    assert facts["tried"] == [{"name": "run_command", "times": facts["attempts"]}] and facts["attempts"] > 1
    assert facts["timezone"] == "Asia/Seoul"


def test_what_was_healed_within_the_hold_pages_nobody_and_is_one_line_of_a_digest(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components=orders(Severity.HIGH))
    desk.engine.outside.heals_on_restart = True
    desk.fail("orders")
    desk.wait(60, 5)
    assert desk.engine.incident("orders").state == "resolved" and desk.told == []
    assert set(states().values()) == {"folded", "held"}, "the messages, and the digests"
    desk.wait(1_800)
    assert [(one.channel, one.kind) for one in desk.told] == [("team", "digest"), ("mail", "digest")]
    lines = desk.told[0].facts["items"]
    assert [(line["component"], line["what"], line["severity"]) for line in lines] == [
        ("orders", "healed_quietly", "high")
    ]
    assert lines[0]["link"] == f"http://medic.test/incidents/{desk.engine.incident('orders').id}"
    desk.wait(7_200, 600)
    assert len(desk.told) == 2, "and nothing follows it"


def test_what_was_told_is_told_to_be_over_on_the_same_channels(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components=orders(Severity.HIGH))
    desk.fail("orders")
    desk.wait(310, 10)
    assert desk.kinds("team") == desk.kinds("mail") == ["opened"] and desk.told[0].facts["updates"] == 1
    desk.engine.outside.up = True
    desk.heal("orders")
    desk.wait(400, 10)
    assert desk.engine.incident("orders").state == "resolved"
    assert desk.kinds("team")[-1] == desk.kinds("mail")[-1] == "recovered" and "phone" not in desk.count("recovered")


def test_what_a_person_is_needed_for_is_told_at_once_whatever_its_severity(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components=plan("leaf", Severity.LOW))
    desk.fail("leaf")
    assert [(one.channel, one.kind) for one in desk.told] == [("team", "needs_human"), ("mail", "needs_human")]
    assert desk.told[0].facts["ack_link"].startswith("http://medic.test/answer/")


def test_a_person_is_called_even_where_the_only_channel_is_a_phone(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, (ChannelPlan("phone", "sms"),), components=plan("leaf", Severity.LOW))
    desk.fail("leaf")
    assert desk.kinds("phone") == ["needs_human"]


def test_who_is_called_within_the_hold_is_not_told_of_the_opening_too(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components=orders(Severity.HIGH), escalate_after_seconds=120)
    desk.fail("orders")
    desk.wait(130, 5)
    assert desk.kinds("team") == ["needs_human"]
    assert desk.told[0].facts["updates"] == 2, "the opening, and that it became worse, are folded into it"
    desk.wait(600, 60)
    assert "opened" not in desk.kinds()


def test_a_second_stage_in_vain_is_told_once_and_rings_no_phone_again(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components=orders(Severity.CRITICAL), escalate_after_seconds=7_200)
    desk.fail("orders")
    desk.wait(200, 5)
    assert desk.kinds("team") == ["opened", "worsened"] and desk.kinds("phone") == ["opened"]
    assert "stage 2 did not heal it" in desk.of("team", "worsened")[0].facts["because"]


def test_of_a_second_stage_in_vain_nobody_hears_late_who_knows_that_it_fails(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components=orders(Severity.HIGH))
    desk.fail("orders")
    desk.wait(1_000, 5)
    assert desk.kinds("team") == ["opened", "needs_human"], "and not a third one, held until just before the call"


def test_a_severity_that_rises_is_told_to_those_who_did_not_know_yet(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, sites=("default",))
    from tests.story.memory_n8n import Flow, MemoryN8n

    desk.engine.outside._n8n = {"default": MemoryN8n({"w": Flow("w", "x.example.com")}, {"x.example.com": 503})}
    for _ in range(2):
        desk.engine.probe("x", False, severity="high")
    desk.engine.tick()
    before = desk.engine.incident("x").severity
    desk.engine.probe("x", False, severity="critical")
    desk.engine.tick()
    assert (before, desk.engine.incident("x").severity) == ("high", "critical")
    assert desk.kinds("phone") == ["worsened"]


def test_of_medium_severity_what_opened_and_ended_before_the_digest_is_one_line(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components={
        name: restartable(name, Severity.MEDIUM) for name in ("a", "b")
    })  # fmt: skip
    desk.fail("a", "b")
    desk.engine.outside.up = True
    desk.wait(400, 10)
    assert desk.engine.incident("a").state == desk.engine.incident("b").state == "resolved" and not desk.told
    desk.wait(1_500)
    assert desk.kinds() == ["digest"] and desk.told[0].channel == "team"
    assert [line["what"] for line in desk.told[0].facts["items"]] == ["healed_quietly", "healed_quietly"]
    assert BundleRow.select().where(BundleRow.open_key.is_null(False)).count() == 0


def test_of_medium_severity_the_end_after_the_digest_is_a_line_of_the_next_one(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components=orders(Severity.MEDIUM), escalate_after_seconds=86_400)
    desk.fail("orders")
    desk.order("pause", "orders")
    desk.wait(1_810)
    assert [line["what"] for line in desk.told[0].facts["items"]] == ["opened"]
    desk.order("resolve", "orders")
    desk.wait(1_830)
    assert desk.kinds() == ["digest", "digest"] and desk.told[1].facts["items"][0]["what"] == "recovered"


def test_a_route_decides_over_the_table(fake_clock, monkeypatch):
    routes = (
        RoutePlan("shop", Match(labels={"team": "shop"}), channels=("phone",)),
        RoutePlan("silent", Match(components=("toy",)), channels=()),
    )
    components = {
        "till": restartable("till", Severity.MEDIUM, labels={"team": "shop"}),
        "toy": restartable("toy", Severity.CRITICAL),
    }
    desk = Desk(fake_clock, monkeypatch, ALL, AlertPolicy(routes=routes), components=components)
    desk.fail("till", "toy")
    assert [(one.channel, one.about) for one in desk.told] == [("phone", "till")]
    assert any("the route silent: nobody is told" in line for line in desk.engine.history("alert"))


def test_a_channel_is_handed_what_it_remembered_of_the_same_incident(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, (ALL[0],), components=plan("a") | plan("b"))
    desk.fail("a")
    desk.fail("b")
    desk.heal("a")
    assert [(one.about, one.kind) for one in desk.told] == [
        ("a", "needs_human"), ("b", "needs_human"), ("a", "recovered"),
    ]  # fmt: skip
    assert desk.memories == [None, None, {"number": 1}]


def test_a_worker_makes_ready_to_tell_without_telling_anybody(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch)
    words._ours.cache_clear()
    sending.get_ready(desk.engine.ctx)
    assert words._ours.cache_info().currsize == 1, "the templates are there when the first is told"
    assert desk.told == [] and not AlertRow.select().exists()
