"""The action that switches to a standby, with real servers: `recovery.actions.failover`."""

import time
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, DoorError, Failed, NotNeeded
from recovery.outside.http import Http
from tests.plugins.servers import Site, free_port, raw_server, silent

NOW = utc_now()
PLUGIN = REGISTRY.find("failover")
PRIMARY = f"http://127.0.0.1:{free_port()}"


class Doors:
    http = Http()


def about(live: str = "") -> About:
    return About("orders", NOW, memory={"live": live, "at": "2026-01-31T12:00:00Z"} if live else {})


def run(*endpoints, live: str = "", what=PLUGIN.run, timeout: str = "500ms"):
    args = PLUGIN.args.model_validate({"endpoints": endpoints, "timeout": timeout})
    return what(args, Doors(), about(live))


def switched(before: str, after: str) -> Done:
    return Done(f"switched from {before} to {after}", {"live": after, "at": NOW.isoformat()})


@pytest.fixture
def standby(site: Site) -> str:
    site.answers["/health"] = (200, {}, b"ok")
    return site.url


@pytest.fixture
def other() -> Iterator[Site]:
    site = Site()
    site.answers["/"] = (204, {}, b"")
    yield site
    site.close()


def test_the_first_healthy_standby_becomes_live(standby: str, other: Site) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    looked_at = {"url": standby, "check": f"{standby}/health"}
    assert run(PRIMARY, dead, looked_at, f"{other.url}/") == switched(PRIMARY, standby)
    assert run(PRIMARY, f"{other.url}/", looked_at) == switched(PRIMARY, f"{other.url}/"), "in their order"


def test_a_standby_that_answers_badly_is_passed_over(site: Site, other: Site) -> None:
    site.answers["/"] = (503, {}, b"")
    assert run(PRIMARY, f"{site.url}/", f"{other.url}/") == switched(PRIMARY, f"{other.url}/")


def test_a_standby_that_hangs_is_passed_over_in_time(other: Site) -> None:
    with raw_server(silent) as port:
        began = time.monotonic()
        assert run(PRIMARY, f"http://127.0.0.1:{port}/", f"{other.url}/") == switched(PRIMARY, f"{other.url}/")
        assert time.monotonic() - began < 2
        assert run(PRIMARY, f"http://127.0.0.1:{port}/") == Failed(f"no answer from 127.0.0.1:{port} within 0.5 s")


def test_a_database_is_looked_at_by_a_connection(site: Site) -> None:
    first, second = "postgresql://127.0.0.1", f"postgresql://127.0.0.1:{site.port}"
    assert run(first, second) == switched(first, second)
    assert site.asked == []


def test_where_none_is_healthy_everything_stays() -> None:
    ports = [free_port(), free_port()]
    answer = run(PRIMARY, *(f"tcp://127.0.0.1:{port}" for port in ports))
    refused = "; ".join(f"127.0.0.1:{port} refuses the connection" for port in ports)
    assert answer == Failed(refused) and not answer.permanent


def test_a_healthy_standby_that_is_live_is_kept_and_a_dead_one_is_left(standby: str, other: Site) -> None:
    first, second = {"url": standby, "check": f"{standby}/health"}, f"{other.url}/"
    assert run(PRIMARY, first, second, live=standby) == NotNeeded(f"{standby} is live and healthy")
    other.answers["/"] = (500, {}, b"")
    assert run(PRIMARY, first, second, live=second) == switched(second, standby)
    assert run(standby + "/health", PRIMARY, live=PRIMARY) == switched(PRIMARY, standby + "/health"), (
        "the primary again"
    )


def test_what_is_no_longer_configured_is_forgotten(other: Site) -> None:
    assert run(PRIMARY, f"{other.url}/", live="http://gone.example.com") == switched(PRIMARY, f"{other.url}/")


def test_a_second_run_after_a_half_one_chooses_anew(other: Site) -> None:
    """A worker that was killed before its record has told nobody of its choice."""
    first = run(PRIMARY, f"{other.url}/")
    assert run(PRIMARY, f"{other.url}/") == first and PLUGIN.safe_to_repeat


def test_the_way_back_is_to_a_healthy_primary_only(standby: str, other: Site) -> None:
    primary = f"{other.url}/"
    assert run(primary, standby, live=standby, what=PLUGIN.back) == switched(standby, primary)
    assert run(primary, standby, live=primary, what=PLUGIN.back) == NotNeeded(f"{primary} is live already")
    other.answers["/"] = (503, {}, b"")
    assert run(primary, standby, live=standby, what=PLUGIN.back) == Failed(f"127.0.0.1:{other.port} answered 503")


def test_a_dry_run_says_what_would_be_switched(standby: str, other: Site) -> None:
    second = f"{other.url}/"
    assert run(PRIMARY, second, what=PLUGIN.preview) == f"switch from {PRIMARY} to {second}"
    assert run(PRIMARY, second, live=second, what=PLUGIN.preview) == f"stay at {second}: {second} is live and healthy"
    other.answers["/"] = (404, {}, b"")
    told = run(PRIMARY, second, what=PLUGIN.preview)
    assert told == f"stay at {PRIMARY}: 127.0.0.1:{other.port} answered 404"


def test_only_what_can_never_be_asked_is_permanent() -> None:
    class Picky:
        class http:  # noqa: N801
            @staticmethod
            def connect(host: str, port: int, timeout: float) -> float:
                raise DoorError(f"{host} cannot be asked", "client", permanent=host == "b")

    args = PLUGIN.args.model_validate({"endpoints": ["tcp://a:1", "tcp://b:1", "tcp://c:1"]})
    assert not PLUGIN.run(args, Picky(), about()).permanent
    args = PLUGIN.args.model_validate({"endpoints": ["tcp://a:1", "tcp://b:1"]})
    assert PLUGIN.run(args, Picky(), about()).permanent


@pytest.mark.parametrize(
    "wrong",
    [
        "b.example.com",
        "http://",
        "tcp://b.example.com",
        "http://u:hunter2@b.example.com",
        "http://b.example.com:0",
        "http://b.example.com:99999",
        "http://b.example.com/\n",
        "http://b.example.com/a b",
        "http://bücher.example.com",
        "http://b.example.com/" + "x" * 500,
        {"url": "http://b.example.com", "check": "file:///etc/passwd"},
        {"check": "http://b.example.com"},
        {"url": "http://b.example.com", "weight": 1},
        7,
    ],
)
def test_an_endpoint_that_is_none_is_refused(wrong) -> None:
    with pytest.raises(ValidationError) as problem:
        PLUGIN.args.model_validate({"endpoints": ["http://a.example.com", wrong]})
    assert "hunter2" not in str(problem.value)


@pytest.mark.parametrize("count", [0, 1, 11])
def test_there_are_at_least_two_and_at_most_ten(count: int) -> None:
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate({"endpoints": [f"http://{n}.example.com" for n in range(count)]})


def test_an_endpoint_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="there twice"):
        PLUGIN.args.model_validate({"endpoints": ["http://a.example.com", "http://a.example.com"]})
