"""What becomes of a replay is said in Korean on a Korean page, all of it."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from recovery.alerts.messages.phrases import said_in
from recovery.decide.replays import LaneView, ReplayView, plan, progress
from recovery.model import ReplayLimits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ENGLISH = re.compile(r"\b(?:[a-z]{3,}|is|it|of|no|to)\b")
REASONS = [
    "incident 2 is open: it is left to that",
    "it is taken in already",
    "it has recovered",
    "replay 4 has it",
    "a retry of it runs in n8n",
    "a retry of it is under way",
    "n8n has its data no more",
    "other reasons",
    "more than 3 were not asked for",
    "it is cancelled",
    "no n8n named 'X' is configured with a key any more",
    "the worker knows no n8n named 'X' with an API key:"
    " where it was configured since n8n-medic's start, start that again",
    "n8n cannot be asked now, and is asked again: n8n at x cannot be reached: the connection was refused",
    "more than 100,000 executions failed since then: name a workflow, or a shorter time",
    "2 workflows are called 'X': name one by its id (A1, B2)",
    "no workflow is called 'X' or has that id among those with failed executions: nothing failed then",
    "no workflow with failed executions in that time is called 'X';"
    " those that have some: A, B (C1), D; E (F2) and 4 more",
    "replay 3 has stopped: nobody said yes to it in time",
    "KIM cancelled it; 4 executions not run again",
    "KIM cancelled it; 1 execution not run again, 2 still being retried in n8n",
    "it is to come at another time, or no more",
]


@pytest.mark.parametrize("reason", REASONS)
def test_why_a_run_or_a_replay_is_left_is_said_in_korean(reason: str) -> None:
    said = said_in("ko", reason).replace("n8n-medic", "").replace("n8n", "")
    assert re.search("[가-힣]", said) and not ENGLISH.search(said), said


def test_nobody_is_not_taken_for_a_name() -> None:
    assert said_in("ko", "nobody said yes to it in time") == "제때 아무도 승인하지 않았습니다"
    assert said_in("ko", "kim said yes to reboot_host").startswith("kim 님이")


@pytest.mark.parametrize("seconds", [0.4, 12, 300, 9_000])
@pytest.mark.parametrize("counts", [(5, 0, 0), (2, 1, 0), (2, 0, 1), (1, 3, 2), (0, 3, 2)])
def test_how_a_replay_ends_is_said_in_korean(counts: tuple[int, int, int], seconds: float) -> None:
    recovered, failed, left = counts
    newest = ("failed",) * failed + ("recovered",) * recovered
    lane = LaneView("w", "ORDERS", recovered=recovered, failed=failed, left=left, newest=newest)
    ended = plan(ReplayView([lane], (), {}, NOW - timedelta(seconds=seconds)), ReplayLimits(), NOW).because
    for english in (ended, progress([lane])):
        assert not ENGLISH.search(said_in("ko", english)), (english, said_in("ko", english))
