"""`recovery.checks.heartbeat`: a job that tells of itself, is late, fails, hangs and comes back."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.model import FailureType, Past

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PLUGIN = REGISTRY.find("heartbeat")


def look(beat=None, now=NOW, memory=None, **args):
    return PLUGIN.run(
        PLUGIN.args.model_validate(args or {"period": "1h", "grace": "5m"}), None, Past(now, memory or {}, beat or {})
    )


def ago(**time):
    return (NOW - timedelta(**time)).isoformat()


@pytest.mark.parametrize(("minutes", "healthy"), [(1, True), (64, True), (66, False), (6_000, False)])
def test_it_is_missed_once_its_period_and_grace_are_over(minutes, healthy):
    reading = look({"success_at": ago(minutes=minutes)})
    assert reading.healthy == healthy
    if not healthy:
        assert reading.failure_type == FailureType.SCHEDULE_MISSED and reading.certain
        assert "no heartbeat since it was due" in reading.because


def test_one_that_never_told_of_itself_is_missed_counted_from_the_first_look():
    first = look()
    assert first.healthy and "not due yet" in first.because
    late = look(now=NOW + timedelta(minutes=66), memory=first.memory)
    assert not late.healthy and "never told of itself" in late.because
    assert late.memory == first.memory


def test_a_failure_stays_one_until_the_next_success():
    failed = {"success_at": ago(minutes=30), "fail_at": ago(minutes=10), "message": "disk full"}
    reading = look(failed)
    assert (reading.healthy, reading.failure_type) == (False, FailureType.WORKFLOW_FAILED)
    assert reading.because == "its last run failed: disk full"
    assert look({**failed, "success_at": ago(minutes=5), "took_seconds": 12.5}).because.endswith("its run took 12.5 s")


def test_what_a_clock_that_was_ahead_wrote_down_does_not_count():
    ahead = (NOW + timedelta(days=300)).isoformat()
    assert look({"fail_at": ahead, "success_at": ago(minutes=1)}).healthy
    assert not look({"success_at": ahead}, memory={"since": ago(days=2)}).healthy
    assert not look(memory={"since": ahead}, now=NOW + timedelta(days=301)).healthy
    assert look(memory={"since": ahead}).memory["since"] == NOW.isoformat()


def test_what_could_not_be_heard_is_not_missed():
    """n8n-medic was away when the job told of itself: it has one more period, or waits for the next due time."""
    away = {"success_at": ago(hours=5), "listening_since": ago(minutes=10)}
    assert look(away).healthy is None, "nor is it well: nobody knows"
    late = look(away, now=NOW + timedelta(minutes=56))
    assert not late.healthy and "the last was 2026-11-24 07:00 UTC" in late.because
    nightly = {"cron": "0 3 * * *", "grace": "30m"}
    assert not look({"success_at": ago(days=1)}, **nightly).healthy
    assert look({"success_at": ago(days=1), "listening_since": ago(hours=8)}, **nightly).healthy is None
    assert look({**away, "start_at": ago(hours=4)}, longest="1h", period="1d").healthy is not False, (
        "its end was not heard"
    )


@pytest.mark.parametrize(("began", "healthy"), [(50, True), (70, False)])
def test_a_run_that_takes_too_long_is_told_while_it_runs(began, healthy):
    beat = {"success_at": ago(minutes=120), "start_at": ago(minutes=began)}
    reading = look(beat, period="1d", longest="1h")
    assert reading.healthy == healthy and ("70 min, longer than 60 min" in reading.because) != healthy
    assert look({**beat, "success_at": ago(minutes=1)}, period="1d", longest="1h").healthy, "it has ended"


@pytest.mark.parametrize(
    ("last", "now", "healthy"),
    [
        ("2026-11-23T18:10:00+00:00", "2026-11-24T18:20:00+00:00", True),  # 3:20 in Seoul: within the grace
        ("2026-11-23T18:10:00+00:00", "2026-11-24T18:31:00+00:00", False),  # 3:31: it was due at 3:00
        ("2026-11-24T18:05:00+00:00", "2026-11-25T17:59:00+00:00", True),
    ],
)
def test_a_schedule_in_its_own_time_zone(last, now, healthy):
    args = {"cron": "0 3 * * *", "timezone": "Asia/Seoul", "grace": "30m"}
    assert look({"success_at": last}, datetime.fromisoformat(now), **args).healthy == healthy


def test_an_hourly_schedule_is_missed_in_the_hour_that_comes_twice():
    args = {"cron": "0 * * * *", "timezone": "Europe/Berlin", "grace": "10m"}
    now = datetime(2026, 10, 25, 1, 11, tzinfo=UTC)  # 2:11 for the second time
    assert not look({"success_at": "2026-10-25T00:01:00+00:00"}, now, **args).healthy
    assert look({"success_at": "2026-10-25T01:01:00+00:00"}, now, **args).healthy


@pytest.mark.parametrize(
    "args",
    [{}, {"period": "1h", "cron": "0 3 * * *"}, {"cron": "nonsense"}, {"cron": "61 * * * *"}, {"cron": "0 0 3 * * *"},
     {"cron": "0 3 * * *", "timezone": "Mars/Olympus"}, {"period": "-1h"}, {"period": "x"}],
)  # fmt: skip
def test_what_says_no_time_is_refused(args):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate(args)


def test_odd_beats_stop_nothing():
    for beat in ({"success_at": "x", "fail_at": 7}, {"success_at": None, "took_seconds": "x"}, {"start_at": "2026"}):
        assert look(beat, longest="1h", period="1h").healthy


@pytest.mark.parametrize(
    ("beat", "args", "healthy"),
    [
        ({"success_at": ago(hours=3)}, {"period": "1h"}, None),
        ({"success_at": ago(hours=3), "start_at": ago(hours=2)}, {"period": "1d", "longest": "1h"}, None),
        ({"success_at": ago(hours=30)}, {"cron": "0 11 * * *"}, None),
        ({"success_at": ago(hours=30)}, {"cron": "50 11 * * *"}, False),
        ({"success_at": ago(minutes=90), "fail_at": ago(minutes=80)}, {"period": "1h"}, False),
        ({"success_at": ago(hours=3), "listening_since": ago(hours=-1)}, {"period": "1h"}, False),
    ],
)
def test_what_it_may_have_told_while_nobody_could_hear_is_not_known(beat, args, healthy):
    reading = look({"listening_since": ago(minutes=30), **beat}, **args)
    assert reading.healthy is healthy
    assert healthy is False or "could not be heard before 2026-11-24 11:30 UTC" in reading.because
