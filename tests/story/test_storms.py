"""Many incidents at once are few messages, and none that needs a person is lost among them."""

from collections import Counter
from datetime import timedelta

import pytest

from recovery.model import AlertPolicy, Brakes, Budget, ChannelPlan, ComponentPlan, OrderWhat, Severity
from recovery.store.tables import AlertRow
from tests.story.desk import ALL, Desk, plan
from tests.story.engine import restartable

pytestmark = pytest.mark.usefixtures("store")
MANY = {"sqlite": 1_000, "postgresql": 150}
FREE = Brakes(per_hour=1_000, per_day=1_000, overall_per_hour=10_000, overall_per_day=10_000)


def healable(number: int) -> dict[str, ComponentPlan]:
    """So many components that a restart brings back."""
    return {f"c{place}": restartable(f"c{place}", Severity.CRITICAL) for place in range(number)}


def fail_many(desk: Desk, number: int, severity: str = "critical") -> None:
    """So many components fail within a minute."""
    for first in range(0, number, 100):
        for place in range(first, min(first + 100, number)):
            for _ in range(2):
                desk.engine.probe(f"c{place}", False, severity=severity)
        desk.engine.tick(2)
        desk.clock.advance(5)
    desk.engine.tick()


def named_or_counted(desk: Desk, channel: str) -> tuple[set[str], int]:
    """Which components' calls a channel named, and how many it counted."""
    alone = {one.about for one in desk.of(channel) if one.kind == "needs_human"}
    return alone, max((one.facts["needs_human"] for one in desk.of(channel, "storm")), default=0)


def test_a_thousand_incidents_within_a_minute_are_ten_messages_a_storm_and_an_update(fake_clock, monkeypatch, store):
    many = MANY[store.partition(":")[0]]
    desk = Desk(fake_clock, monkeypatch)
    fail_many(desk, many)
    desk.wait(3_000, 30)
    assert {row.state for row in desk.engine.incidents()} == {"needs_human"} and len(desk.engine.incidents()) == many
    for channel in ("team", "mail"):
        assert Counter(desk.kinds(channel))["needs_human"] <= 10 and 1 <= desk.kinds(channel).count("storm") <= 2
        assert set(desk.kinds(channel)) == {"needs_human", "storm"}
        alone, counted = named_or_counted(desk, channel)
        assert len(alone) == 10 and counted == many - 10, "each is named, or counted and linked"
    assert 1 <= len(desk.of("phone")) <= 2 and desk.of("phone")[-1].facts["needs_human"] == many - 1
    storm = desk.of("team", "storm")[-1].facts
    assert storm["count"] == many - 10 and len(storm["failing"]) == 50 and storm["link"].startswith("http")
    assert all(one["link"] and one["state"] == "needs_human" for one in storm["failing"])
    owed = Counter(row.state for row in AlertRow.select())
    assert set(owed) == {"delivered", "folded"}, owed


def test_a_storm_whose_incidents_are_healed_is_told_to_be_over_once(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components=healable(40), brakes=FREE)
    for number in range(40):
        desk.fail(f"c{number}")
    desk.wait(70, 5)
    assert desk.kinds("team") == ["opened"] * 10 + ["storm"] and desk.of("team", "storm")[0].facts["needs_human"] == 0
    assert desk.kinds("phone") == ["opened"], "nobody is needed: the phone rings no more"
    desk.engine.outside.up = True
    desk.wait(900, 10)
    assert {row.state for row in desk.engine.incidents()} == {"resolved"}
    over = desk.of("team", "storm")
    assert [(one.facts["count"], one.facts["resolved"]) for one in over] == [(30, 0), (40, 40)], "also those told alone"
    assert over[1].facts["failing"] == [] and desk.memories[-1] is not None
    assert len(desk.of("phone")) <= 2
    desk.wait(7_200, 600)
    assert Counter(desk.kinds("team"))["storm"] == 2


def test_an_incident_long_after_the_burst_is_told_alone_though_the_storm_is_not_over(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components=healable(15), brakes=FREE)
    for number in range(15):
        desk.fail(f"c{number}")
    desk.wait(240, 10)
    desk.fail("another")
    assert [one.about for one in desk.of("team", "needs_human")] == ["another"]


def test_ten_incidents_within_a_minute_are_no_storm(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch)
    fail_many(desk, 10)
    desk.wait(120)
    assert desk.kinds("team") == ["needs_human"] * 10


def test_what_a_budget_held_back_is_told_afterwards_with_room_kept_for_calls(fake_clock, monkeypatch):
    phone = ChannelPlan("phone", "webhook", budget=Budget(4, 3_600))
    desk = Desk(fake_clock, monkeypatch, (phone,), components={
        f"r{n}": restartable(f"r{n}", Severity.CRITICAL) for n in range(4)
    })  # fmt: skip
    for number in range(4):
        desk.fail(f"r{number}")
    assert desk.kinds() == ["opened"] * 2, "half of it is for calls"
    desk.fail("x1", "x2", "x3")
    assert desk.kinds() == ["opened"] * 2 + ["needs_human"] * 2
    held = [row for row in AlertRow.select() if row.state == "held_back"]
    assert {row.kind for row in held} >= {"opened", "needs_human"}
    desk.wait(3_700, 60)
    told = desk.of("phone", "held_back")
    assert told and told[0].facts["channel"] == "phone"
    items = [(item["component"], item["kind"]) for one in told for item in one.facts["items"]]
    alone = {one.about for one in desk.of("phone", "needs_human")}
    afterwards = {component for component, kind in items if kind == "needs_human"}
    assert alone | afterwards >= {"x1", "x2", "x3"} and len(alone & {"x1", "x2", "x3"}) == 2
    assert ("r2", "opened") in items
    desk.wait(7_200, 120)
    named = {item["component"] for one in desk.of("phone", "held_back") for item in one.facts["items"]}
    assert not [row.key for row in AlertRow.select() if row.state == "held_back"], named


def test_a_phone_rings_again_for_a_storm_once_somebody_has_answered_and_more_need_a_person(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, (ALL[2],), components=healable(4), brakes=FREE)
    desk.fail(*(f"c{number}" for number in range(4)), "x", "y")
    desk.wait(120)
    assert desk.kinds() == ["opened", "storm"] and desk.of("phone", "storm")[0].facts["needs_human"] == 2
    desk.order(OrderWhat.ACKNOWLEDGE, "x")
    answered = fake_clock.now
    desk.order(OrderWhat.ACKNOWLEDGE, "y")
    desk.wait(1_500)
    rings = desk.of("phone", "storm")[1:]
    assert rings[-1].facts["needs_human"] == 6, "who has taken over two of them hears that the others failed too"
    assert len(rings) <= 2 and (rings[0].at - answered).total_seconds() < 1_000, "not an hour later"
    assert len({one.key for one in desk.of("phone", "storm")}) == len(rings) + 1


def test_a_phone_that_nobody_answers_does_not_ring_for_the_rest_of_a_storm_within_the_hour(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, (ALL[2],), components=healable(4), brakes=FREE)
    desk.fail(*(f"c{number}" for number in range(4)), "x", "y")
    desk.wait(3_500)
    assert desk.kinds() == ["opened", "storm"]
    desk.wait(300)
    assert desk.of("phone")[-1].facts["needs_human"] == 6, "and after an hour it does"


def test_who_heard_of_it_in_a_storm_is_reminded_by_one_message(fake_clock, monkeypatch, store):
    desk = Desk(fake_clock, monkeypatch)
    fail_many(desk, 14)
    desk.wait(600)
    desk.order(OrderWhat.ACKNOWLEDGE, "c13")
    desk.wait(3_600, 60)
    for channel, alone in (("team", 10), ("phone", 1)):
        assert desk.kinds(channel).count("reminder") == alone
        again = desk.of(channel, "storm")[-1].facts
        assert again["reminder"] and again["count"] == 13 - alone, "all that nobody has taken over"
        assert not desk.of(channel, "storm")[0].facts["reminder"] and desk.kinds(channel).count("storm") == 2


def test_a_snooze_of_what_a_storm_told_ends_with_a_message(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch)
    fail_many(desk, 12)
    desk.wait(120)
    for number in range(12):
        what = OrderWhat.SNOOZE if number == 11 else OrderWhat.ACKNOWLEDGE
        desk.order(what, f"c{number}", **({"until": fake_clock.now + timedelta(hours=2)} if number == 11 else {}))
    desk.told.clear()
    desk.wait(2 * 3_600 + 180, 60)
    assert [(one.channel, one.facts["count"]) for one in desk.told] == [(name, 1) for name in ("team", "mail", "phone")]


def test_no_call_waits_long_for_a_budget_and_what_it_held_back_says_how_it_stands(fake_clock, monkeypatch, store):
    desk = Desk(fake_clock, monkeypatch, (ALL[0],), AlertPolicy(remind_seconds=86_400))
    for number in range(140):  # eight a minute: no storm
        desk.fail(f"c{number}")
        fake_clock.advance(7.5)
    desk.engine.tick()
    assert desk.kinds() == ["needs_human"] * 120
    last = desk.told[-1].at
    desk.heal("c125")
    desk.order(OrderWhat.ACKNOWLEDGE, "c126")
    desk.wait(300, 10)
    (told,) = desk.of("team", "held_back")
    assert (told.at - last).total_seconds() < 310 and (told.facts["count"], told.facts["needs_human"]) == (20, 19)
    assert [one["state"] for one in told.facts["items"]] == ["needs_human"] * 19 + ["resolved"], "what is urgent first"
    desk.heal("c130")
    desk.wait(2 * 86_400, 1_200)
    later = {(one.about, one.kind) for one in desk.told[121:]}
    later |= {
        (item["component"], item["kind"]) for one in desk.of("team", "held_back")[1:] for item in one.facts["items"]
    }
    assert ("c130", "recovered") in later and ("c125", "recovered") not in later, "who was told of it hears of its end"
    still = {f"c{number}" for number in range(120, 140)} - {"c125", "c126", "c130"}
    assert {name for name, kind in later if kind == "reminder"} >= still, "and is reminded"


def test_a_phone_that_has_rung_enough_rings_for_calls_every_quarter_of_an_hour(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, (ALL[2],), AlertPolicy(remind_seconds=86_400))
    for number in range(40):  # one each two minutes
        desk.fail(f"c{number}")
        desk.wait(120, 60)
    desk.wait(900)
    assert desk.kinds()[:6] == ["needs_human"] * 6
    at = [one.at for one in desk.told]
    waits = [(later - earlier).total_seconds() for earlier, later in zip(at[5:], at[6:], strict=False)]
    assert max(waits) <= 960 and len(desk.told) <= 6 + 80 * 60 / 900 + 6
    named = {one.about for one in desk.of("phone", "needs_human")}
    held = {item["component"] for one in desk.of("phone", "held_back") for item in one.facts["items"]}
    assert named | held == {f"c{number}" for number in range(40)}


def test_the_names_of_a_storm_may_hold_anything(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, (ALL[0],), AlertPolicy())
    for number in range(12):
        name = f"n{number} 장애 {'x' * 150}'; DROP TABLE alerts; --"
        for _ in range(2):
            desk.engine.probe(name, False, message="a\n{{ 7 * 7 }}\u202e<!channel>" + "y" * 5_000)
    desk.engine.tick()
    desk.wait(90)
    assert desk.kinds().count("storm") == 1 and desk.of("team", "storm")[0].facts["count"] == 2


def test_two_channels_have_their_own_storms(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, components=plan("a", Severity.MEDIUM))
    fail_many(desk, 12, "high")
    desk.wait(90)
    keys = {one.key for one in desk.told if one.kind == "storm"}
    assert {key.rpartition(".")[2] for key in keys} == {"team", "mail"} and len(keys) == 2
