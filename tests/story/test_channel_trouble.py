"""A channel that fails: nothing is lost or told twice, what calls a person goes another way, and people hear of it."""

from datetime import timedelta

import pytest

from recovery.model import AlertPolicy, ChannelPlan, DoorError, Severity
from recovery.store import channels
from recovery.store.tables import AlertRow, ChannelRow
from tests.story.desk import ALL, Desk, plan
from tests.story.engine import restartable

pytestmark = pytest.mark.usefixtures("store")
TEAM, MAIL, PHONE = ALL


def down() -> DoorError:
    return DoorError("connection refused", "refused")


def wrong_token() -> DoorError:
    return DoorError("answered 403: invalid_token", "auth", permanent=True)


def test_a_provider_that_is_down_for_an_hour_loses_nothing_and_gets_it_in_order_once(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, (TEAM,), AlertPolicy(hold_seconds=0))
    desk.broken["team"] = down
    for number in range(8):
        desk.fail(f"c{number}")
        desk.wait(300, 30)
    desk.heal("c0", "c1")
    desk.fail("c0")
    desk.wait(3_600 - 8 * 300 - 30, 30)
    assert desk.told == [] and desk.count("needs_human") == {}
    owed = [row.key for row in AlertRow.select().where(AlertRow.state != "folded").order_by(AlertRow.id)]
    del desk.broken["team"]
    desk.wait(900, 5)
    came = [one.key for one in desk.told]
    assert sorted(came) == sorted(set(came)), "once per key"
    assert set(owed) <= set(came), "every alert arrives"
    for number in range(8):
        mine = [key for key in owed if key.startswith(f"{desk.engine.incident(f'c{number}').id}.")]
        assert [key for key in came if key in mine] == mine, "in order"
    assert came.index(mine_of(desk, "c1", "needs_human")) < came.index(mine_of(desk, "c1", "recovered"))


def mine_of(desk: Desk, name: str, kind: str) -> str:
    number = desk.engine.incident(name).id
    return next(row.key for row in AlertRow.select() if row.incident_id == number and row.kind == kind)


def test_what_calls_a_person_and_is_refused_for_good_goes_over_the_next_channel_at_once(fake_clock, monkeypatch):
    pager = ChannelPlan("pager", "webhook", (Severity.CRITICAL,))
    desk = Desk(fake_clock, monkeypatch, (TEAM, pager), components=plan("a"))
    desk.broken["team"] = wrong_token
    desk.fail("a")
    assert sorted(desk.kinds("pager")) == ["channel_trouble", "needs_human"]
    trouble = desk.of("pager", "channel_trouble")[0]
    assert trouble.about == "team" and "invalid_token" in trouble.facts["message"]
    desk.fail("b")
    assert [one.about for one in desk.of("pager", "needs_human")] == ["a", "b"]
    assert desk.count("channel_trouble") == {"pager": 1}, "once until it works again"


def test_what_is_carried_by_another_channel_already_needs_no_third_one(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components=plan("a"))
    desk.broken["team"] = wrong_token
    desk.fail("a")
    assert desk.kinds("phone") == [] and desk.kinds("mail").count("needs_human") == 1


def test_a_call_that_is_not_taken_for_two_minutes_goes_over_the_next_channel(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, (TEAM, PHONE), components=plan("a"))
    desk.broken["team"] = down
    desk.fail("a")
    desk.wait(115, 5)
    assert desk.told == []
    desk.wait(10, 5)
    assert sorted(desk.kinds("phone")) == ["channel_trouble", "needs_human"]
    del desk.broken["team"]
    desk.wait(300, 10)
    assert desk.kinds("team") == ["needs_human"], "and it arrives where it was meant to go, too"


def test_a_call_that_waits_behind_another_message_goes_over_the_next_channel_as_well(fake_clock, monkeypatch):
    desk = Desk(
        fake_clock, monkeypatch, (TEAM, PHONE), AlertPolicy(hold_seconds=0), escalate_after_seconds=600,
        components={"a": restartable("a")},
    )  # fmt: skip
    desk.broken["team"] = down
    desk.fail("a")
    desk.wait(840, 10)
    assert desk.engine.incident("a").state == "needs_human"
    assert "needs_human" in desk.kinds("phone") and desk.kinds("team") == []
    del desk.broken["team"]
    desk.wait(600, 10)
    kinds = desk.kinds("team")
    assert kinds.index("opened") < kinds.index("needs_human")


def test_a_call_over_the_only_channel_comes_within_a_minute_of_its_return_whatever_waits_before_it(
    fake_clock, monkeypatch
):
    desk = Desk(
        fake_clock, monkeypatch, (TEAM,), AlertPolicy(hold_seconds=0), escalate_after_seconds=1_800,
        components={"a": restartable("a")},
    )  # fmt: skip
    desk.broken["team"] = down
    desk.fail("a")
    while desk.engine.incident("a").state != "needs_human":
        desk.wait(10, 10)
    opened, call = (AlertRow.get(AlertRow.kind == kind) for kind in ("opened", "needs_human"))
    assert call.after_id and opened.run_at - fake_clock.now <= timedelta(minutes=1), "tried for the sake of the call"
    desk.wait(900, 20)
    del desk.broken["team"]
    desk.wait(60, 5)
    assert [kind for kind in desk.kinds("team") if kind != "worsened"] == ["opened", "needs_human"]


def test_a_channel_that_works_again_and_fails_again_is_told_of_anew(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, (TEAM, MAIL))
    for number in range(2):
        desk.broken["team"] = wrong_token
        desk.fail(f"a{number}")
        assert channels.find_troubled() == {"team"}
        del desk.broken["team"]
        desk.wait(1_000, 20)
        assert channels.find_troubled() == set()
    assert desk.count("channel_trouble") == {"mail": 2}
    assert len({one.key for one in desk.of("mail", "channel_trouble")}) == 2


def test_two_channels_that_both_fail_tell_of_each_other_and_no_more(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, (TEAM, MAIL), components=plan("a"))
    desk.broken = {"team": wrong_token, "mail": wrong_token}
    desk.fail("a")
    desk.wait(3_600, 60)
    assert AlertRow.select().where(AlertRow.kind == "channel_trouble").count() <= 2 and desk.told == []
    desk.broken.clear()
    desk.wait(1_000, 20)
    assert "needs_human" in desk.kinds("team") and "needs_human" in desk.kinds("mail")


def test_how_well_each_channel_does_is_counted(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, (TEAM, MAIL), components=plan("a"))
    began = fake_clock.now
    desk.broken["team"] = down
    desk.fail("a")
    desk.clock.advance(30)
    del desk.broken["team"]
    desk.engine.tick()
    found = channels.measure(began)
    assert (found["mail"]["messages"], found["mail"]["tries"], found["mail"]["share"]) == (1, 1, 1.0)
    team = found["team"]
    assert (team["messages"], team["tries"], team["delivered"], team["share"]) == (1, 2, 1, 0.5)
    assert team["p50_seconds"] == team["p95_seconds"] == 30.0 and found["mail"]["p95_seconds"] == 0.0
    assert ChannelRow.get(ChannelRow.name == "team").failing_since is None


def test_a_critical_incident_rings_even_where_chat_and_mail_are_gone(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components=plan("a", Severity.CRITICAL))
    desk.broken = {"team": wrong_token, "mail": down}
    desk.fail("a")
    assert "needs_human" in desk.kinds("phone")
