"""What the brakes say, one limit at a time, and that no random history gets past them."""

import random
import re
from datetime import UTC, datetime, timedelta

import pytest

from recovery.alerts.messages.phrases import said_in
from recovery.decide.brakes import Go, Stop, Wait, judge
from recovery.model import Brakes, Lately, PlannedAction

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
LIMITS = Brakes(per_hour=2, per_day=4, overall_per_hour=5, overall_per_day=9, cooldown_seconds=60, breaker=3)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def test_with_nothing_done_lately_it_may_be_run():
    assert judge("restart", Lately(), LIMITS, NOW) == Go()


@pytest.mark.parametrize(
    ("lately", "words"),
    [
        (Lately(same=[ago(minutes=59), ago(minutes=1)]), "restart was run 2 times on it within an hour"),
        (Lately(same=[ago(hours=n) for n in (23, 20, 10, 2)]), "restart was run 4 times on it within a day"),
        (Lately(all=(5, 5)), "5 actions were run within an hour"),
        (Lately(all=(0, 9)), "9 actions were run within a day"),
        (Lately(in_vain=3), "the breaker is open: 3 recoveries in a row"),
    ],
)
def test_a_limit_that_is_reached_stops_it_and_says_which(lately: Lately, words: str):
    word = judge("restart", lately, LIMITS, NOW)
    assert isinstance(word, Stop) and words in word.because and "retry now" in word.because
    assert judge("restart", lately, LIMITS, NOW, by_person=True) == Go()
    told = said_in("ko", f"{word.because}; the check confirmed the failure: orders refuses connections (tcp)")
    assert not re.search("retry now|failure|refuses", told) and "재시도" in told, told


@pytest.mark.parametrize(
    "lately",
    [
        Lately(same=[ago(hours=1), ago(minutes=1)]),
        Lately(same=[ago(hours=24), *(ago(hours=n) for n in (20, 10, 2))]),
        Lately(all=(4, 8)),
        Lately(in_vain=2),
        Lately(acted_at=ago(seconds=60)),
    ],
)
def test_one_below_the_limit_it_may_be_run(lately: Lately):
    assert judge("restart", lately, LIMITS, NOW) == Go()


def test_it_waits_for_a_server_that_was_rebooted_to_come_up():
    starting = Lately(starting=("web1", NOW + timedelta(seconds=40)))
    word = judge("run_command", starting, Brakes(), NOW)
    assert isinstance(word, Wait) and word.until == NOW + timedelta(seconds=40) and "web1 was rebooted" in word.because
    assert isinstance(judge("run_command", starting, Brakes(), NOW, by_person=True), Go)
    assert isinstance(judge("run_command", starting, Brakes(), NOW + timedelta(seconds=40)), Go)


def test_it_waits_for_the_end_of_the_cooldown():
    word = judge("restart", Lately(acted_at=ago(seconds=20)), LIMITS, NOW)
    assert isinstance(word, Wait) and word.until == NOW + timedelta(seconds=40)


@pytest.mark.parametrize("lately", [Lately(acting="other"), Lately(restarting="restart of mail")])
def test_even_a_person_waits_for_what_is_under_way(lately: Lately):
    word = judge("restart", lately, LIMITS, NOW, by_person=True)
    assert isinstance(word, Wait) and (lately.acting or lately.restarting) in word.because


@pytest.mark.parametrize("seed", range(50))
def test_no_history_of_requests_gets_more_than_the_limits_allow(seed: int):
    """Whatever comes when: at no moment were more actions begun within an hour or a day than allowed."""
    dice = random.Random(seed)
    limits = Brakes(
        per_hour=dice.randint(1, 4), per_day=dice.randint(1, 8), overall_per_hour=dice.randint(1, 6),
        overall_per_day=dice.randint(2, 12), cooldown_seconds=dice.choice([0, 30, 600]), breaker=99,
    )  # fmt: skip
    begun: list[tuple[datetime, str]] = []
    now = NOW
    for _ in range(400):
        now += timedelta(seconds=dice.expovariate(1 / dice.choice([1, 60, 1200])))
        component = dice.choice("ab")
        mine = [at for at, name in begun if name == component]
        counted = tuple(sum(at > now - span for at, _ in begun) for span in (timedelta(hours=1), timedelta(days=1)))
        lately = Lately(same=mine, all=(counted[0], counted[1]), acted_at=mine[-1] if mine else None)
        if isinstance(judge("restart", lately, limits, now), Go):
            begun.append((now, component))
    for place, (at, component) in enumerate(begun):
        earlier = begun[: place + 1]
        for span, own, overall in (
            (timedelta(hours=1), limits.per_hour, limits.overall_per_hour),
            (timedelta(days=1), limits.per_day, limits.overall_per_day),
        ):
            within = [(moment, name) for moment, name in earlier if moment > at - span]
            assert len(within) <= overall and sum(name == component for _, name in within) <= own
        before = [moment for moment, name in earlier[:-1] if name == component]
        assert not before or (at - before[-1]).total_seconds() >= limits.cooldown_seconds
    assert begun


@pytest.mark.parametrize(
    ("args", "host"),
    [
        ({}, "this machine"),
        ({"host": "web1"}, "web1"),
        ({"agent": "web1", "what": "shop"}, "web1"),
        ({"ipmi": {"host": "bmc1"}}, "bmc1"),
        ({"redfish": {"url": "https://bmc1"}}, "https://bmc1"),
        ({"ipmi": {"host": "bmc1"}, "host": "web1"}, "web1"),
    ],
)
def test_one_restart_at_a_time_is_counted_where_it_restarts_something(args: dict[str, object], host: str) -> None:
    assert PlannedAction("any", args, restarts=True).host == host
    assert PlannedAction("any", args).host is None
