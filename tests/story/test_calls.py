"""A person is needed: who is called, who next, who answers how, and hours and silences in which nobody is called."""

from datetime import UTC, date, datetime, timedelta

import pytest

from recovery.model import (
    AlertPolicy,
    ChannelPlan,
    EscalationStep,
    Hours,
    OrderWhat,
    PersonPlan,
    QuietPlan,
    RotationPlan,
    Severity,
)
from recovery.store import silences
from recovery.store.tables import AlertRow, CallRow
from tests.story.desk import ALL, Desk, plan
from tests.story.engine import restartable

pytestmark = pytest.mark.usefixtures("store")
TEAM = (ALL[0],)
KIM, LEE = (ChannelPlan(name, "webhook", (Severity.CRITICAL,)) for name in ("kim", "lee"))
STEPS = AlertPolicy(
    people=(PersonPlan("kim", ("kim",)), PersonPlan("lee", ("lee",))),
    rotations=(RotationPlan("ops", ("kim", "lee"), date(2026, 1, 5)),),
    escalation=(EscalationStep(900, rotation="ops"), EscalationStep(1_800, people=("kim", "lee"))),
)


def escalating(clock, patch, **policy) -> Desk:
    clock.now = datetime(2026, 1, 6, 12, tzinfo=UTC)  # kim's week
    return Desk(clock, patch, (*TEAM, KIM, LEE), STEPS, components=plan("a"), **policy)


def test_who_does_not_acknowledge_is_reminded_ever_less_often(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, TEAM, components=plan("a"))
    desk.fail("a")
    at = [(one.kind, round((one.at - desk.told[0].at).total_seconds() / 3_600)) for one in desk.told]
    desk.wait(8 * 3_600, 300)
    at = [(one.kind, round((one.at - desk.told[0].at).total_seconds() / 3_600)) for one in desk.told]
    assert at == [("needs_human", 0), ("reminder", 1), ("reminder", 3), ("reminder", 7)]
    assert desk.told[1].facts["because"].startswith("nobody has acknowledged")


def test_who_acknowledges_is_left_alone_and_hears_of_the_end(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, TEAM, components=plan("a"))
    desk.fail("a")
    assert desk.order(OrderWhat.ACKNOWLEDGE, "a").outcome == "done"
    desk.wait(86_400, 3_600)
    assert desk.kinds() == ["needs_human"]
    desk.heal("a")
    assert desk.kinds() == ["needs_human", "recovered"]
    assert desk.told[1].facts["acknowledged_by"] == "kim"


def test_a_call_that_nobody_answers_goes_up_step_by_step(fake_clock, monkeypatch):
    desk = escalating(fake_clock, monkeypatch)
    desk.fail("a")
    assert [(one.channel, one.kind) for one in desk.told] == [("team", "needs_human")]
    desk.wait(905, 5)
    assert [(one.channel, one.kind) for one in desk.told[1:]] == [("kim", "needs_human")], "kim is on call"
    assert desk.told[1].facts["escalation"] == 1
    desk.wait(900, 5)
    assert sorted((one.channel, one.kind) for one in desk.told[2:]) == [("kim", "reminder"), ("lee", "needs_human")]
    desk.order(OrderWhat.ACKNOWLEDGE, "a")
    desk.wait(20_000, 600)
    assert len(desk.told) == 4


def test_the_next_week_somebody_else_is_on_call(fake_clock, monkeypatch):
    desk = escalating(fake_clock, monkeypatch)
    fake_clock.now += timedelta(days=7)
    desk.fail("a")
    desk.wait(905, 5)
    assert desk.told[1].channel == "lee"


def test_a_person_may_have_the_next_one_called_at_once(fake_clock, monkeypatch):
    desk = escalating(fake_clock, monkeypatch)
    desk.fail("a")
    said = []
    desk.clock.advance(5)
    for _ in range(3):
        said.append(desk.order(OrderWhat.ESCALATE, "a").because)
        assert "within the last minute" in desk.order(OrderWhat.ESCALATE, "a").because, "pressed twice"
        desk.clock.advance(61)
    wanted = ["step 1 of the escalation: kim", "step 2 of the escalation: kim, lee", "a reminder: team, kim, lee"]
    assert said == wanted


def test_a_snooze_is_silence_until_its_end_and_then_a_reminder(fake_clock, monkeypatch):
    desk = escalating(fake_clock, monkeypatch)
    desk.fail("a")
    desk.order(OrderWhat.SNOOZE, "a", until=fake_clock.now + timedelta(hours=2))
    desk.wait(7_100, 50)
    assert desk.kinds() == ["needs_human"]
    desk.wait(200, 50)
    assert desk.kinds()[1:] != []


def test_a_snooze_of_what_is_being_healed_holds_even_the_call(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, TEAM, components={"a": restartable("a")}, escalate_after_seconds=600)
    desk.fail("a")
    desk.order(OrderWhat.SNOOZE, "a", until=fake_clock.now + timedelta(hours=1))
    desk.wait(3_500, 50)
    assert desk.engine.incident("a").state == "needs_human" and desk.told == []
    desk.wait(200, 20)
    assert desk.kinds() == ["needs_human"], "it is not lost: it is told when the snooze is over"


def test_a_snooze_that_is_over_by_the_time_it_is_read_is_refused(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, TEAM, components=plan("a"))
    desk.fail("a")
    order = desk.order(OrderWhat.SNOOZE, "a", until=fake_clock.now)
    assert order.outcome == "refused" and "over" in order.because


def silenced(desk: Desk, seconds: float, **matcher) -> int:
    now = desk.clock.now
    return silences.add_silence(matcher, now, now + timedelta(seconds=seconds), "moving it", "kim", now).id


def test_what_is_silenced_is_healed_without_a_word_and_called_for_when_the_silence_ends(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, TEAM, components=plan("a") | plan("b"))
    silenced(desk, 3_600, component=["a"])
    desk.fail("a", "b")
    assert [one.about for one in desk.told] == ["b"]
    assert any("silenced by kim" in line and "moving it" in line for line in desk.engine.history("alert"))
    desk.wait(3_500, 100)
    assert [one.about for one in desk.told] == ["b"]
    desk.wait(200, 20)
    assert ("a", "needs_human") in [(one.about, one.kind) for one in desk.told]


def test_a_silence_that_is_ended_early_lets_the_call_out_at_once(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, TEAM, components=plan("a"))
    number = silenced(desk, 86_400, severity=["high"])
    desk.fail("a")
    assert desk.told == []
    silences.end_silence(number, "kim", fake_clock.now)
    desk.engine.tick()
    assert desk.kinds() == ["needs_human"]


def test_the_end_is_told_within_a_silence_to_those_who_knew(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, TEAM, components=plan("a") | plan("b"))
    desk.fail("a")
    silenced(desk, 86_400, component=["a", "b"])
    desk.fail("b")
    desk.heal("a", "b")
    assert [(one.about, one.kind) for one in desk.told] == [("a", "needs_human"), ("a", "recovered")]


def test_a_message_that_is_held_when_a_silence_begins_is_not_told(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, TEAM, components={"a": restartable("a")}, escalate_after_seconds=7_200)
    desk.fail("a")
    silenced(desk, 3_600, component=["a"])
    desk.wait(400, 20)
    assert desk.told == []


@pytest.mark.parametrize("ended_early", [False, True])
def test_what_a_silence_held_is_told_when_it_ends_if_it_is_still_true(fake_clock, monkeypatch, ended_early):
    desk = Desk(fake_clock, monkeypatch, TEAM, components={"a": restartable("a")}, escalate_after_seconds=7_200)
    desk.engine.ctx.alerting = AlertPolicy(remind_seconds=86_400)
    desk.fail("a")
    number = silenced(desk, 350 if not ended_early else 86_400, component=["a"])
    desk.wait(320, 10)
    assert desk.told == []
    if ended_early:
        silences.end_silence(number, "kim", fake_clock.now)
    desk.wait(40, 10)
    assert desk.kinds() == ["opened"]


NIGHT = Hours(22 * 60, 7 * 60, timezone="Asia/Seoul")


def test_quiet_hours_hold_what_is_not_urgent_until_they_are_over(fake_clock, monkeypatch):
    fake_clock.now = datetime(2026, 11, 29, 15, tzinfo=UTC)  # midnight in Seoul
    desk = Desk(
        fake_clock, monkeypatch, TEAM, AlertPolicy(quiet_hours=(QuietPlan(NIGHT),)), escalate_after_seconds=86_000,
        components={"a": restartable("a"), "b": restartable("b", Severity.CRITICAL)} | plan("c"),
    )  # fmt: skip
    desk.fail("a", "b", "c")
    assert [(one.about, one.kind) for one in desk.told] == [("b", "opened"), ("c", "needs_human")]
    desk.order(OrderWhat.PAUSE, "a")
    desk.wait(6.9 * 3_600, 300)
    assert "a" not in {one.about for one in desk.told}
    assert ("c", "reminder") not in [(one.about, one.kind) for one in desk.told], "it waits for the morning"
    desk.wait(0.2 * 3_600, 60)
    morning = [(one.about, one.kind) for one in desk.told if one.at >= datetime(2026, 11, 29, 22, tzinfo=UTC)]
    assert ("a", "opened") in morning and ("c", "reminder") in morning


def test_quiet_hours_may_hold_even_calls_where_that_is_wanted(fake_clock, monkeypatch):
    fake_clock.now = datetime(2026, 11, 29, 21, 30, tzinfo=UTC)
    quiet = AlertPolicy(quiet_hours=(QuietPlan(NIGHT, hold_needs_human=True),))
    desk = Desk(fake_clock, monkeypatch, TEAM, quiet, components=plan("a"))
    desk.fail("a")
    desk.wait(1_750, 50)
    assert desk.told == []
    desk.wait(100, 10)
    assert desk.kinds() == ["needs_human"]


def test_calls_are_kept_one_for_each_incident_and_rest_when_it_is_over(fake_clock, monkeypatch):
    desk = Desk(fake_clock, monkeypatch, TEAM, components=plan("a"))
    desk.fail("a")
    desk.heal("a")
    desk.fail("a")
    assert CallRow.select().count() == 1 and CallRow.get().due_at is not None
    desk.heal("a")
    assert CallRow.get().due_at is None
    desk.wait(86_400, 3_600)
    assert desk.kinds() == ["needs_human", "recovered"] * 2
    assert AlertRow.select().where(AlertRow.state == "queued").count() == 0
