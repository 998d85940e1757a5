"""Who is told of an alert, when one that was not taken is tried again, and when that ends."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.decide.alerting import channels_for, give_up, retry_at, route
from recovery.model import ChannelPlan, Severity

NOW = datetime(2026, 11, 24, 3, 5, tzinfo=UTC)
SLACK, MAIL, PHONE, HOOK = (
    ChannelPlan(name, kind)
    for name, kind in [("team", "slack"), ("mail", "email"), ("phone", "sms"), ("hook", "webhook")]
)
ALL = [SLACK, MAIL, PHONE, HOOK]


@pytest.mark.parametrize(
    ("severity", "told"),
    [
        ("critical", ["team", "mail", "phone", "hook"]),
        ("high", ["team", "mail", "hook"]),
        ("medium", ["team", "hook"]),
        ("low", ["hook"]),
    ],
)
def test_slack_mail_and_sms_follow_severity_and_the_others_take_everything(severity, told):
    assert channels_for(Severity(severity), False, ALL) == told


def test_severities_of_a_channel_win_over_its_kind():
    night = ChannelPlan("night", "sms", (Severity.LOW, Severity.MEDIUM))
    never = ChannelPlan("never", "webhook", ())
    assert channels_for(Severity.LOW, False, [night, never]) == ["night"]
    assert channels_for(Severity.CRITICAL, False, [night, never]) == []


def test_nobody_is_told_where_no_channel_takes_the_severity_and_that_is_said():
    told = route(Severity.LOW, True, [SLACK, MAIL])
    assert told.channels == ()
    assert "no channel takes severity low" in told.because


THROUGH = ChannelPlan("flow", "webhook", through_n8n=True)


def test_an_alert_about_n8n_that_only_n8n_would_carry_goes_to_every_other_channel_too():
    told = route(Severity.LOW, True, [SLACK, THROUGH, PHONE])
    assert told.channels == ("team", "flow", "phone")
    assert "about n8n" in told.because
    assert channels_for(Severity.LOW, False, [SLACK, THROUGH, PHONE]) == ["flow"]


def test_an_alert_about_n8n_that_another_channel_carries_as_well_needs_no_more():
    assert channels_for(Severity.MEDIUM, True, [SLACK, THROUGH, PHONE]) == ["team", "flow"]


def test_an_alert_about_n8n_with_no_other_way_goes_through_n8n_and_says_so():
    told = route(Severity.HIGH, True, [THROUGH])
    assert told.channels == ("flow",)
    assert "may not arrive" in told.because


def waits(kind="timeout", asked=None, key="k"):
    return [(retry_at(NOW, tries, key, kind, asked) - NOW).total_seconds() for tries in range(1, 13)]


def test_waits_double_from_two_seconds_to_five_minutes_less_a_quarter_at_most():
    for tries, wait in enumerate(waits()):
        longest = min(300.0, 2.0 * 2**tries)
        assert longest * 0.75 <= wait <= longest


def test_what_calls_a_person_is_tried_every_minute():
    later = [retry_at(NOW, tries, "k", "timeout", calls=True) - NOW for tries in (6, 60)]
    assert all(timedelta(seconds=45) <= wait <= timedelta(minutes=1) for wait in later)


def test_the_same_question_has_the_same_answer_and_another_key_another():
    assert waits() == waits()
    assert waits() != waits(key="another")


@pytest.mark.parametrize("kind", ["auth", "client"])
def test_what_a_person_must_put_right_is_tried_about_four_times_an_hour(kind):
    assert all(900 * 0.75 <= wait <= 900 for wait in waits(kind))


def test_a_receiver_that_asks_to_wait_is_obeyed_for_up_to_an_hour():
    assert all(1_000 <= wait <= 1_100 for wait in waits("rate_limited", 1_000.0))
    assert set(waits("rate_limited", 1e9)) == {3_600.0}
    assert waits("rate_limited", 0.5)[-1] > 200


@given(
    st.integers(-5, 10**9),
    st.text(),
    st.sampled_from(["timeout", "auth", "status", "?"]),
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
)
def test_the_next_try_is_always_later_and_within_an_hour(tries, key, kind, asked):
    wait = retry_at(NOW, tries, key, kind, asked) - NOW
    assert timedelta(seconds=1) < wait <= timedelta(hours=1)


DAY = 86_400.0


@pytest.mark.parametrize(
    ("tries", "permanent", "age", "ends"),
    [
        (50, True, DAY - 1, False),
        (50, True, DAY, True),
        (500, False, 3 * DAY - 1, False),
        (500, False, 3 * DAY, True),
        (2, False, 30 * DAY, False),
        (3, False, 30 * DAY, True),
        (1, True, 0.0, False),
    ],
)
def test_an_alert_ends_after_a_day_or_three_and_never_before_the_third_try(tries, permanent, age, ends):
    assert give_up(tries, permanent, age) is ends
