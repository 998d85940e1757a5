"""What becomes of a request to an agent, and what its answer means."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from recovery.decide.asking import GiveUp, Lose, RequestView, Wait, judge, meaning_of

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
UNTIL = NOW + timedelta(minutes=2)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


SEEN = RequestView("web1", "orders", UNTIL, seen_at=ago(2), offers=("orders", "till"))


def test_an_agent_that_was_just_heard_of_is_waited_for_until_it_would_be_silent() -> None:
    assert judge(SEEN, NOW) == Wait(NOW + timedelta(seconds=28))
    assert judge(replace(SEEN, until=NOW + timedelta(seconds=5)), NOW) == Wait(NOW + timedelta(seconds=5))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seen_at": None, "offers": ()}, "has never asked for work: start `medic agent`"),
        ({"seen_at": ago(30)}, "has not been heard of since 2026-11-24 02:59:30 (UTC)"),
        ({"offers": ("till",)}, "may not restart 'orders': its own configuration has till"),
        ({"offers": ()}, "it may restart nothing"),
        ({"until": NOW}, "did not come to it in time"),
        ({"known": False}, "has no agent web1 any more"),
    ],
)
def test_what_will_not_be_done_is_given_up_at_once_with_why(change: dict, words: str) -> None:
    word = judge(replace(SEEN, **change), NOW)
    assert isinstance(word, GiveUp) and words in word.because


def test_nobody_is_silent_who_could_not_be_heard() -> None:
    deaf = replace(SEEN, seen_at=ago(300), deaf_until=ago(10))
    assert judge(deaf, NOW) == Wait(NOW + timedelta(seconds=20))
    assert isinstance(judge(replace(deaf, seen_at=None), NOW), Wait)
    assert isinstance(judge(deaf, NOW + timedelta(seconds=20)), GiveUp)


def test_what_was_taken_is_waited_for_to_the_end_and_then_nobody_knows() -> None:
    taken = replace(SEEN, taken_at=ago(60), seen_at=ago(60))
    assert judge(taken, NOW) == Wait(UNTIL), "an agent that is silent may be at work"
    lost = judge(taken, UNTIL)
    assert isinstance(lost, Lose) and "took it at 02:59:00 (UTC)" in lost.because


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        ({"how": "ended", "code": 0, "output": "ok\n"}, "succeeded", "restarted orders; it said:\nok"),
        ({"how": "ended", "code": 0}, "succeeded", "the agent web1 restarted orders"),
        ({"how": "ended", "code": 4, "output": "no"}, "failed", "exit code 4; it said:\nno"),
        ({"how": "ended"}, "failed", "exit code None"),
        ({"how": "timed_out"}, "failed", "took too long"),
        ({"how": "refused", "output": "nothing here is called so"}, "failed", "did not restart orders; it said:"),
        ({"how": "unknown"}, "unknown", "does not know whether it restarted orders"),
        ({"how": "hacked", "code": 0}, "unknown", "does not know"),
        ({}, "unknown", "does not know"),
    ],
)
def test_only_exit_code_0_is_done(answer: dict, state: str, words: str) -> None:
    found = meaning_of("web1", "orders", answer)
    assert found[0] == state and words in found[1]
