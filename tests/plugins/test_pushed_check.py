"""`recovery.checks.pushed`: a component that is only heard of, and its silence."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.model import FailureType, Past
from tests.plugins.plugins import BACKGROUND

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PLUGIN = REGISTRY.find("pushed")


def look(beat=None, now=NOW, memory=None, **args):
    return BACKGROUND.run(PLUGIN.run(PLUGIN.args.model_validate(args), None, Past(now, memory or {}, beat or {})))


def ago(seconds):
    return (NOW - timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(("seconds", "healthy"), [(0, None), (119, None), (120, False), (9_000, False)])
def test_silence_is_a_failure_once_it_lasts_and_until_then_nothing_is_said(seconds, healthy):
    reading = look({"heard_at": ago(seconds)})
    assert reading.healthy is healthy
    if healthy is False:
        assert reading.failure_type == FailureType.SERVER_UNRESPONSIVE and reading.certain
        assert "nothing was heard of it for" in reading.because and "limit 2m" in reading.because


def test_its_words_say_since_when():
    assert look({"heard_at": ago(300)}, silent_after="5m").because == (
        "nothing was heard of it for 5 min (limit 5m): the last word came at 2026-11-24 11:55:00 UTC"
    )


def test_one_that_was_never_heard_of_is_missed_counted_from_the_first_look():
    first = look()
    assert first.healthy is None and "waits to be told" in first.because
    late = look(now=NOW + timedelta(minutes=2), memory=first.memory)
    assert late.healthy is False and "never been told of" in late.because and late.memory == first.memory


def test_what_could_not_be_heard_is_no_silence():
    away = {"heard_at": ago(9_000), "listening_since": ago(60)}
    assert look(away).healthy is None
    later = look(away, now=NOW + timedelta(seconds=60))
    assert later.healthy is False and "09:30:00 UTC" in later.because


def test_a_word_from_the_future_is_of_a_clock_that_was_wrong():
    ahead = {"heard_at": ago(-3_600)}
    first = look(ahead)
    assert first.healthy is None
    assert look(ahead, now=NOW + timedelta(minutes=3), memory=first.memory).healthy is False


@pytest.mark.parametrize("beat", [{"heard_at": 7}, {"heard_at": "soon", "listening_since": None}, {"other": "x"}])
def test_odd_words_stop_nothing(beat):
    assert look(beat).healthy is None


@pytest.mark.parametrize(
    "args", [{"silent_after": "0s"}, {"silent_after": "-1m"}, {"silent_after": "x"}, {"period": "1m"}]
)
def test_what_is_no_time_is_refused(args):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate(args)
