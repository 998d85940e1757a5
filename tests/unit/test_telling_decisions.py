"""Pure decisions of telling: hours whatever is done to the clocks, turns of a rotation, storms, budgets, escalation."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.decide.alerting import callable_channels, next_channel
from recovery.decide.escalating import CallView, begin_call, due_at, next_step, reached
from recovery.decide.hours import end_of, end_of_all, on_call
from recovery.decide.storming import StormView, budget_of, is_part, pause_of, room_at, rule_for, storm_due, update
from recovery.decide.telling import Subject, plan_telling
from recovery.model import (
    AlertKind,
    AlertPolicy,
    Budget,
    ChannelPlan,
    EscalationStep,
    Hours,
    Match,
    PersonPlan,
    RotationPlan,
    RoutePlan,
    Severity,
    StormRule,
)

BERLIN, SEOUL = "Europe/Berlin", "Asia/Seoul"
NIGHT = Hours(22 * 60, 7 * 60, timezone=BERLIN)
NOW = datetime(2026, 11, 24, 3, 5, tzinfo=UTC)
TEAM, MAIL, PHONE, HOOK = (
    ChannelPlan(name, kind)
    for name, kind in [("team", "slack"), ("mail", "email"), ("phone", "sms"), ("hook", "webhook")]
)
ALL = (TEAM, MAIL, PHONE, HOOK)
RULE = StormRule()


def berlin(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(BERLIN)).astimezone(UTC)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("at", "ends"),
    [
        (berlin(2026, 11, 24, 21, 59), None),
        (berlin(2026, 11, 24, 22, 0), berlin(2026, 11, 25, 7)),
        (berlin(2026, 11, 25, 6, 59), berlin(2026, 11, 25, 7)),
        (berlin(2026, 11, 25, 7, 0), None),
        (berlin(2026, 3, 28, 23, 0), berlin(2026, 3, 29, 7)),  # the night that is an hour short
        (berlin(2026, 10, 24, 23, 0), berlin(2026, 10, 25, 7)),  # and the one that is an hour long
    ],
)
def test_a_night_ends_in_the_morning_by_the_clock_on_the_wall(at, ends):
    assert end_of(NIGHT, at) == ends


def test_nights_in_which_the_clocks_are_set_are_an_hour_shorter_or_longer():
    spring, autumn = berlin(2026, 3, 28, 22), berlin(2026, 10, 24, 22)
    assert end_of(NIGHT, spring) - spring == timedelta(hours=8)
    assert end_of(NIGHT, autumn) - autumn == timedelta(hours=10)


def test_hours_that_begin_at_a_time_that_is_skipped_or_comes_twice_are_there_once():
    skipped, twice = Hours(150, 210, timezone=BERLIN), Hours(150, 170, timezone=BERLIN)  # 2:30
    assert end_of(skipped, datetime(2026, 3, 29, 1, 29, tzinfo=UTC)) is None
    assert end_of(twice, datetime(2026, 10, 25, 0, 35, tzinfo=UTC)) == datetime(2026, 10, 25, 0, 50, tzinfo=UTC)
    assert end_of(twice, datetime(2026, 10, 25, 1, 35, tzinfo=UTC)) is None


def test_days_are_those_on_which_the_hours_begin():
    friday = Hours(22 * 60, 7 * 60, days=(4,), timezone="UTC")
    assert end_of(friday, datetime(2026, 11, 28, 3, tzinfo=UTC)) == datetime(2026, 11, 28, 7, tzinfo=UTC)
    assert end_of(friday, datetime(2026, 11, 28, 23, tzinfo=UTC)) is None


def test_hours_that_follow_each_other_are_waited_for_together_and_those_that_never_end_do_not_hang():
    day = Hours(7 * 60, 9 * 60, timezone=BERLIN)
    assert end_of_all([NIGHT, day], berlin(2026, 11, 24, 23)) == berlin(2026, 11, 25, 9)
    always = [Hours(0, 720), Hours(720, 1_440)]
    assert NOW < end_of_all(always, NOW) < NOW + timedelta(days=60)


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)),
    st.integers(0, 1_440),
    st.integers(0, 1_440),
    st.sampled_from(["UTC", BERLIN, SEOUL, "Pacific/Apia", "America/St_Johns", "Antarctica/Troll", "Asia/Kathmandu"]),
)
def test_the_end_of_hours_lies_ahead_and_within_two_days_in_any_zone(at, begin, end, zone):
    at = at.replace(tzinfo=UTC)
    ends = end_of(Hours(begin, end, timezone=zone), at)
    assert ends is None or at < ends <= at + timedelta(days=2, hours=3)


OPS = RotationPlan("ops", ("kim", "lee", "park"), date(2026, 1, 5), 9 * 60, BERLIN)


def test_people_take_turns_by_the_week_and_hand_over_at_their_hour():
    assert on_call(OPS, berlin(2026, 1, 5, 9)) == "kim"
    assert on_call(OPS, berlin(2026, 1, 12, 8, 59)) == "kim" and on_call(OPS, berlin(2026, 1, 12, 9)) == "lee"
    assert on_call(OPS, berlin(2026, 1, 26, 9)) == "kim"
    assert on_call(OPS, berlin(2025, 12, 30, 12)) == "park", "before its first week, backwards"


def test_where_clocks_are_set_it_is_handed_over_once():
    sunday = RotationPlan("night", ("kim", "lee"), date(2026, 10, 18), 2 * 60 + 30, BERLIN)  # 2:30 comes twice
    at, seen = datetime(2026, 10, 24, 23, tzinfo=UTC), []
    while at < datetime(2026, 10, 25, 4, tzinfo=UTC):
        seen.append(on_call(sunday, at))
        at += timedelta(minutes=5)
    assert seen == sorted(seen) and set(seen) == {"kim", "lee"}


@given(st.datetimes(datetime(1971, 1, 2), datetime(2200, 1, 1)), st.integers(0, 1_440))
def test_somebody_is_always_on_call(at, minutes):
    assert on_call(
        RotationPlan("r", ("a", "b", "c"), date(2026, 2, 28), minutes, "Pacific/Apia"), at.replace(tzinfo=UTC)
    )


def test_a_route_by_hours_decides_only_then():
    office = RoutePlan("office", Match(), Hours(9 * 60, 17 * 60, timezone=SEOUL), channels=("hook",))
    policy, subject = AlertPolicy(routes=(office,)), Subject("a", "api_error", Severity.CRITICAL)
    day, night = datetime(2026, 11, 24, 1, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert [way.channel for way in plan_telling(AlertKind.OPENED, subject, policy, ALL, day).ways] == ["hook"]
    assert len(plan_telling(AlertKind.OPENED, subject, policy, ALL, night).ways) == 4


def test_a_digest_goes_over_no_phone_and_says_how_long_it_may_take():
    told = plan_telling(
        AlertKind.OPENED, Subject("a", "api_error", Severity.MEDIUM), AlertPolicy(),
        (TEAM, ChannelPlan("phone", "sms", (Severity.MEDIUM,))), NOW,
    )  # fmt: skip
    assert [(way.channel, way.digest, way.at) for way in told.ways] == [("team", True, NOW + timedelta(minutes=30))]
    assert "in a digest within 30 minutes" in told.because


def test_a_call_takes_the_ways_that_its_severity_would_not():
    assert callable_channels(Severity.LOW, ALL) == [TEAM, MAIL, HOOK]
    assert callable_channels(Severity.LOW, [PHONE]) == [PHONE]


def test_a_call_reaches_somebody_even_where_no_channel_takes_its_severity():
    boss = ChannelPlan("boss", "webhook", (Severity.CRITICAL,))
    chat = ChannelPlan("chat", "slack", (Severity.CRITICAL, Severity.HIGH))
    assert callable_channels(Severity.LOW, [boss]) == [boss]
    assert callable_channels(Severity.LOW, [boss, chat]) == [chat], "and wakes the fewest"
    assert callable_channels(Severity.LOW, [boss, HOOK]) == [HOOK], "one of which nothing is said comes first"


@given(
    severity=st.sampled_from(list(Severity)),
    channels=st.lists(
        st.builds(
            ChannelPlan, st.just("x"), st.sampled_from(["sms", "email", "slack", "webhook"]),
            st.none() | st.lists(st.sampled_from(list(Severity)), min_size=1, unique=True).map(tuple),
        ),
        min_size=1, max_size=4,
    ),
)  # fmt: skip
def test_whatever_the_channels_take_a_person_is_called_over_one_of_them(severity, channels):
    assert callable_channels(severity, channels)


def test_a_storm_begins_with_the_eleventh_within_a_minute_and_with_the_second_on_a_phone():
    assert [is_part(True, lately, NOW, None, False, RULE) for lately in (9, 10, 11)] == [False, True, True]
    assert is_part(True, 1, NOW, None, False, rule_for("sms", RULE))
    assert not is_part(False, 500, NOW, None, False, RULE), "who was told alone is told alone, where there is no storm"


def test_what_a_storm_began_with_belongs_to_it_and_what_was_before_does_not():
    assert is_part(False, 0, NOW - timedelta(seconds=59), NOW, False, RULE)
    assert not is_part(False, 0, NOW - timedelta(seconds=61), NOW, False, RULE)
    assert is_part(True, 0, NOW, NOW - timedelta(hours=1), True, RULE)


def test_a_phone_rings_for_a_storm_only_when_a_person_is_needed():
    assert storm_due("slack", NOW, False, NOW, RULE) == NOW + timedelta(seconds=60)
    assert storm_due("sms", NOW, False, NOW, RULE) == NOW + timedelta(minutes=20)
    later = NOW + timedelta(minutes=3)
    assert storm_due("sms", NOW, True, later, RULE) == later + timedelta(seconds=60)
    assert not update(StormView("sms", NOW, healing=5), later, RULE).tell
    assert update(StormView("sms", NOW, needs_human=1), later, RULE).tell


def test_the_update_waits_until_all_are_decided_but_not_for_ever():
    told = {"told_at": NOW, "counted": 1}
    waits = update(StormView("slack", NOW, healing=3, needs_human=2, **told), NOW + timedelta(minutes=5), RULE)
    assert not waits.tell and waits.again
    assert update(StormView("slack", NOW, needs_human=2, **told), NOW + timedelta(minutes=5), RULE).tell
    assert update(StormView("slack", NOW, healing=3, **told), NOW + timedelta(minutes=20), RULE).tell
    assert not update(StormView("slack", NOW, resolved=3, changed=False, **told), NOW + timedelta(minutes=5), RULE).tell


def test_a_phone_rings_again_for_a_storm_after_an_hour_or_once_who_was_told_has_answered():
    told = {"told_at": NOW, "counted": 1, "needs_human": 9}
    at = [NOW + timedelta(minutes=minutes) for minutes in (4, 6, 59, 60)]
    asleep, awake = StormView("sms", NOW, **told), StormView("sms", NOW, answered=True, healing=2, **told)
    assert [update(asleep, now, RULE).tell for now in at] == [False, False, False, True]
    assert [update(awake, now, RULE).tell for now in at] == [False, True, True, True]
    assert update(asleep, at[0], RULE).again and not update(asleep, at[3], RULE).goes_on
    assert update(awake, at[1], RULE).goes_on, "what is still being healed may need a person too"


def test_half_of_a_budget_is_kept_for_calls():
    six = Budget(6, 3_600)
    carried = [NOW - timedelta(minutes=minutes) for minutes in (50, 40, 30)]
    assert room_at(six, carried, True, NOW) is None
    assert room_at(six, carried, False, NOW) == NOW + timedelta(minutes=10)
    full = sorted(carried * 2)
    chat, phone = pause_of("slack"), pause_of("sms")
    assert room_at(six, full, True, NOW, chat) is None, "half an hour after the last message a call is told"
    assert room_at(six, [*full, NOW], True, NOW, chat) == NOW + timedelta(minutes=5)
    assert room_at(six, [*full, NOW], True, NOW, phone) == NOW + timedelta(minutes=10), "or as soon as there is room"
    assert room_at(six, [NOW] * 6, True, NOW, phone) == NOW + timedelta(minutes=15)
    assert room_at(six, [NOW] * 6, True, NOW) == NOW + timedelta(hours=1), "a reminder can wait"
    assert room_at(Budget(1, 60), [], False, NOW) is None
    assert budget_of(PHONE) == six and budget_of(HOOK) is None
    assert budget_of(TEAM) == budget_of(ChannelPlan("push", "apprise")) == Budget(120, 3_600), "chats ring too"
    assert budget_of(ChannelPlan("p", "sms", budget=Budget(1, 60))) == Budget(1, 60)


def test_the_next_channel_is_one_that_works_and_has_it_not():
    assert next_channel("team", {"team"}, {"mail"}, ALL) == "phone"
    assert next_channel("hook", {"hook", "team"}, set(), ALL) == "mail", "around the list"
    assert next_channel("team", {"mail", "phone", "hook"}, set(), ALL) == ""
    assert next_channel("team", set(), {"mail", "phone", "hook"}, ALL) == "mail", "one that fails is better than none"
    through = ChannelPlan("flow", "webhook", through_n8n=True)
    assert next_channel("team", set(), set(), (TEAM, through, MAIL), about_n8n=True) == "mail"
    assert next_channel("gone", set(), set(), ALL) == "team"


STEPS = AlertPolicy(
    people=(PersonPlan("kim", ("hook", "phone")),),
    escalation=(EscalationStep(0, ("team",)), EscalationStep(600, people=("kim",)), EscalationStep(600, ("mail",))),
)


def test_steps_without_a_delay_are_taken_with_the_call_and_the_others_in_their_order():
    assert begin_call(STEPS) == 1 and begin_call(AlertPolicy()) == 0
    call = CallView(NOW, NOW, 1)
    assert due_at(call, STEPS) == NOW + timedelta(minutes=10)
    assert next_step(call, STEPS, NOW + timedelta(minutes=9)) is None
    assert next_step(call, STEPS, NOW + timedelta(minutes=10)) == STEPS.escalation[1]
    assert reached([STEPS.escalation[1]], STEPS, ALL, NOW) == ["phone", "hook"]
    assert reached([EscalationStep(0, ("gone",), ("nobody",), "none")], STEPS, ALL, NOW) == []


def test_reminders_become_rarer_and_never_rarer_than_once_a_day():
    pauses = [due_at(CallView(NOW, NOW, 0, number), AlertPolicy()) - NOW for number in (0, 1, 4, 5, 10_000)]
    assert pauses == [timedelta(hours=hours) for hours in (1, 2, 16, 24, 24)]
    assert due_at(CallView(NOW, NOW), AlertPolicy(remind_seconds=0)) == NOW + timedelta(minutes=1)
    weekly = AlertPolicy(remind_seconds=7 * 86_400)
    assert due_at(CallView(NOW, NOW), weekly) == NOW + timedelta(days=7)
