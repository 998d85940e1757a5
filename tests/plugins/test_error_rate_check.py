"""`recovery.checks.error_rate` of a workflow, and the `error_rate` of the check `http`: the share of what failed."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.checks.error_rate import MOST_PAGES, PAGE
from recovery.model import DoorError, FailureType, HttpAnswer, N8nError, Past
from tests.plugins.plugins import BACKGROUND

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PLUGIN, HTTP = REGISTRY.find("error_rate"), REGISTRY.find("http")


class N8n:
    """An n8n with one workflow and the executions that it is given: (minutes ago, status, more)."""

    def __init__(self, *runs: tuple[float, str, dict[str, Any]], saving: dict[str, str] | None = None, named: int = 1):
        self.settings: dict[str, Any] = {"w1": saving if saving is not None else {"saveDataSuccessExecution": "all"}}
        self.published = [{"id": f"w{number}", "name": "Orders"} for number in range(1, named + 1)]
        self.lists = 0
        self.runs = [
            {"workflowId": "w1", "status": status, "mode": "webhook", "stoppedAt": at, "startedAt": at, **more}
            for minutes, status, more in runs
            for at in [(NOW - timedelta(minutes=minutes)).isoformat()]
        ]

    def published_workflows(self) -> list[dict[str, Any]]:
        self.lists += 1
        return self.published

    def workflow(self, workflow_id: str) -> dict[str, Any] | None:
        return {"settings": self.settings[workflow_id]} if workflow_id in self.settings else None

    def executions(
        self, status: str = "", workflow_id: str = "", started_after: str = "", cursor: str = "", limit: int = 100
    ) -> tuple[list[dict[str, Any]], str]:
        found = [
            one
            for one in self.runs
            if status in ("", one["status"])
            and workflow_id in ("", one["workflowId"])
            and one["startedAt"] >= started_after
        ]
        begin = int(cursor or 0)
        return found[begin : begin + limit], str(begin + limit) if len(found) > begin + limit else ""


def runs(good: int, bad: int, minutes: float = 5, status: str = "error", **more: Any) -> list[Any]:
    return [(minutes, "success", more)] * good + [(minutes, status, more)] * bad


def look(n8n: Any, memory: Any = None, now: datetime = NOW, beat: Any = None, **args: Any) -> Any:
    doors = SimpleNamespace(n8n=lambda site: n8n if site == "default" else None)
    given = PLUGIN.args.model_validate({"workflow": "Orders", **args})
    return PLUGIN.run(given, doors, Past(now, memory or {}, beat or {}))


@pytest.mark.parametrize(("good", "bad", "healthy"), [(8, 2, True), (7, 3, False), (0, 9, True), (0, 10, False)])
def test_too_large_a_share_of_enough_executions_is_a_high_error_rate(good: int, bad: int, healthy: bool) -> None:
    reading = look(N8n(*runs(good, bad)))
    assert reading.healthy is healthy and reading.certain
    if not healthy:
        assert reading.failure_type == FailureType.HIGH_ERROR_RATE and not reading.permanent
        assert f"{bad} of {good + bad}" in reading.because and "within 15m (limit 20 %)" in reading.because


def test_its_words_say_what_was_counted() -> None:
    assert look(N8n(*runs(7, 3))).because == "30 % of its executions failed within 15m (limit 20 %): 3 of 10"
    few = look(N8n(*runs(0, 3))).because
    assert few == "3 of 3 executions failed within 15 min, too few to judge (less than 10)"


def test_crashes_count_and_runs_by_hand_retries_and_old_ones_do_not() -> None:
    counted = [*runs(6, 2), *runs(0, 2, status="crashed")]
    others = [*runs(0, 5, mode="manual"), *runs(0, 5, mode="evaluation"), *runs(0, 5, retryOf="7"), *runs(0, 5, 16)]
    assert "4 of 10" in look(N8n(*counted, *others)).because


def test_a_run_counts_by_its_end() -> None:
    began = (NOW - timedelta(minutes=20)).isoformat()
    assert "10 of 10" in look(N8n(*runs(0, 10, 5, startedAt=began))).because


def test_the_window_the_limit_and_the_least_are_the_users() -> None:
    n8n = N8n(*runs(18, 2, 50))
    assert look(n8n, window="1h").healthy and look(n8n).healthy
    assert not look(n8n, window="1h", at_most="5%", at_least="20 executions").healthy


def test_what_failed_before_a_restart_says_nothing_any_more() -> None:
    n8n = N8n(*runs(0, 12, 5))
    assert not look(n8n).healthy
    after = {"acted_at": (NOW - timedelta(minutes=4)).isoformat()}
    assert "0 of 0 executions failed within 4 min" in look(n8n, beat=after).because
    early = look(n8n, beat=after, memory={"high": True})
    assert (
        early.healthy is None and "0 of 10 executions since the last action" in early.because and early.memory["high"]
    )
    assert (
        look(n8n, beat={"acted_at": (NOW - timedelta(minutes=16)).isoformat()}, memory={"high": True}).healthy is False
    )
    gone_by = {"acted_at": (NOW - timedelta(minutes=16)).isoformat()}
    assert look(N8n(*runs(0, 9)), beat=gone_by, memory={"high": True}).healthy is True
    assert not look(n8n, beat={"acted_at": (NOW - timedelta(days=4)).isoformat()}).healthy


def test_of_a_busy_workflow_both_kinds_are_counted_over_the_same_time() -> None:
    most = PAGE * MOST_PAGES
    busy = N8n(
        *[(number * 10 / most, "success", {}) for number in range(most + 500)], *runs(0, 900, 11), *runs(0, 100, 1)
    )
    reading = look(busy)
    assert reading.healthy and "100 of" in reading.because and "within 9 min" in reading.because


def test_a_workflow_is_found_by_its_name_or_its_id_and_looked_for_once_an_hour() -> None:
    n8n = N8n(*runs(7, 3))
    first = look(n8n)
    assert look(n8n, memory=first.memory, now=NOW + timedelta(minutes=1)).memory == first.memory and n8n.lists == 1
    near = N8n(*runs(8, 2))
    assert look(near).healthy and not look(near, memory=first.memory).healthy
    assert look(N8n(*runs(9, 1)), memory=first.memory).healthy
    look(n8n, memory=first.memory, now=NOW + timedelta(hours=2))
    look(n8n, memory=first.memory, workflow="w1")
    assert n8n.lists == 3
    unpublished = N8n(*runs(7, 3))
    unpublished.published = []
    assert not look(unpublished, workflow="w1").healthy
    assert PLUGIN.args.model_validate({"workflow": 12}).workflow == "12"


@pytest.mark.parametrize(
    ("n8n", "said"),
    [
        (N8n(*runs(7, 3), named=2), "2 published workflows are called 'Orders'"),
        (N8n(named=0), "no workflow with the id 'Orders'"),
        (N8n(*runs(0, 20), saving={"saveDataSuccessExecution": "none"}), "does not save this workflow's successes"),
        (N8n(*runs(20, 0), saving={"saveDataErrorExecution": "none"}), "does not save this workflow's failed"),
        (N8n(*runs(0, 20), saving={}), "nothing tells whether it saves any"),
        (None, "no n8n named 'default'"),
    ],
)
def test_a_share_that_would_be_made_up_calls_a_person_instead(n8n: Any, said: str) -> None:
    reading = look(n8n)
    assert (reading.healthy, reading.permanent) == (False, True) and said in reading.because
    assert reading.failure_type == FailureType.N8N_UNREADY


def test_all_failing_is_believed_where_successes_are_known_to_be_saved() -> None:
    assert look(N8n(*runs(0, 20), *runs(1, 0, 600), saving={})).failure_type == FailureType.HIGH_ERROR_RATE
    others = N8n(*runs(0, 20), *runs(1, 0, 600, workflowId="w2"), saving={})
    others.settings["w2"] = {"saveDataSuccessExecution": "all"}
    assert look(others).permanent, "it says so of itself, not of others"
    others.settings["w2"] = {}
    assert look(others).failure_type == FailureType.HIGH_ERROR_RATE


@pytest.mark.parametrize("permanent", [True, False])
def test_an_n8n_that_does_not_answer_is_told(permanent: bool) -> None:
    n8n = N8n()

    def fail(*_: Any, **more: Any) -> Any:
        raise N8nError("n8n is away", "refused", permanent)

    n8n.executions = fail  # type: ignore[method-assign]
    reading = look(n8n)
    assert (reading.failure_type, reading.permanent) == (FailureType.N8N_UNREADY, permanent)


def test_what_n8n_gives_oddly_is_not_counted() -> None:
    odd = runs(0, 20, stoppedAt="soon", startedAt="9999")
    assert look(N8n(*odd)).healthy
    assert look(N8n(*runs(7, 3)), memory={"at": 7, "asked": [], "id": None}).healthy is False


@pytest.mark.parametrize(
    "args",
    [{"at_most": one} for one in ("100%", "-1%", "x", True, None, 100, -1, "1e1", [], float("nan"))]
    + [{"at_least": one} for one in (0, -1, "x", "10 000", True, 1.5, 10_001)]
    + [{"window": one} for one in ("0s", "x", "-1m")]
    + [{"workflow": one} for one in ("", True, "x" * 201, [])],
)
def test_a_share_that_is_none_is_refused(args: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate({"workflow": "w1", **args})


@pytest.mark.parametrize("told", [20, 20.0, "20%", "20 %", "20"])
def test_a_share_is_written_in_many_ways(told: Any) -> None:
    args = PLUGIN.args.model_validate({"workflow": "w1", "at_most": told, "at_least": "10 looks"})
    assert (args.at_most, args.at_least) == (20, 10)


# -- of an HTTP endpoint


class Endpoint:
    """An endpoint that is looked at every 30 s; `.` answers, `x` does not."""

    def __init__(self, **args: Any):
        self.args = HTTP.args.model_validate({"url": "http://a.example.com/", "error_rate": {"at_least": 10}, **args})
        self.now, self.memory, self.beat = NOW, {}, {}
        self.answers, self.took = True, 5.0
        self.http = self

    async def ask(self, *_: Any, **more: Any) -> HttpAnswer:
        if not self.answers:
            raise DoorError("connection refused", "refused")
        return HttpAnswer(200, "ok", self.took)

    def look(self, pattern: str) -> Any:
        for sign in pattern:
            self.answers = sign == "."
            self.now += timedelta(seconds=30)
            reading = BACKGROUND.run(HTTP.run(self.args, self, Past(self.now, self.memory, self.beat)))
            self.memory = reading.memory
        return reading


def test_looks_that_fail_now_and_then_are_a_high_error_rate() -> None:
    assert Endpoint().look(".......x..").healthy
    reading = Endpoint().look("...x..x..x.")
    assert (reading.healthy, reading.failure_type, reading.certain) == (False, FailureType.HIGH_ERROR_RATE, True)
    assert reading.because == "27.3 % of its looks failed within 15m (limit 20 %): 3 of 11"
    assert HTTP.args.model_validate({"url": "http://a"}).error_rate is None


def test_a_look_that_fails_says_itself_why() -> None:
    assert Endpoint().look("...x..x..x.x").because == "connection refused"


def test_it_is_well_again_when_the_window_has_moved_on() -> None:
    one = Endpoint()
    assert not one.look("...x..x..x.").healthy
    near = one.look("." * 10)
    assert not near.healthy and "3 of 21" in near.because and "(limit 20 %, well again at 10 %)" in near.because
    assert one.look("." * 40).because == "answered 200" and sum(step[2] for step in one.memory["rate"]["steps"]) == 0


def test_an_outage_that_is_over_is_not_counted() -> None:
    one = Endpoint()
    assert one.look("." * 10 + "x" * 20).failure_type == FailureType.SERVER_UNRESPONSIVE
    assert one.look(".").healthy
    two = Endpoint()
    assert not two.look("." * 8 + "xx.xx.").healthy, "two in a row are none"


def test_a_restart_begins_the_count_anew() -> None:
    one = Endpoint()
    assert not one.look("...x..x..x.").healthy
    one.beat = {"acted_at": one.now.isoformat()}
    assert not one.look("x.x.x.x.x.").healthy


def test_whether_a_restart_helped_is_not_known_before_enough_looks() -> None:
    one = Endpoint()
    assert not one.look("...x..x..x.").healthy
    one.beat = {"acted_at": one.now.isoformat()}
    early = one.look(".........")
    assert (early.healthy, early.failure_type) == (None, None)
    assert early.because.endswith("9 of 10 looks since the last action, 0 of them failed")
    assert one.look("x").healthy is False, "a look that fails is known to"
    assert one.look(".").healthy is True
    two = Endpoint(error_rate={"window": "5m", "at_least": 11})
    two.memory, two.beat = {"high": True}, {"acted_at": two.now.isoformat()}
    assert two.look("." * 9).healthy is None and two.look(".").healthy, "never enough of them: for one window at most"


def test_an_outage_that_a_restart_ended_is_verified_at_once() -> None:
    one = Endpoint()
    one.look("...xxx")
    one.beat = {"acted_at": one.now.isoformat()}
    assert one.look(".").healthy


def test_answers_that_were_slow_say_nothing_after_a_restart() -> None:
    one = Endpoint(slow="1s", error_rate=None)
    one.took = 5_000.0
    assert one.look(".....").because == "slow: 95 % of the last 5 answers within 5000 ms, more than 1000 ms"
    one.took = 5.0
    slow = one.look(".")
    assert (slow.healthy, slow.certain, slow.failure_type) == (False, True, FailureType.API_TIMEOUT)
    one.beat = {"acted_at": one.now.isoformat()}
    early = one.look("....")
    assert early.healthy is None and early.because == "too early to tell whether it is faster now"
    assert one.look(".").healthy is True


def test_it_remembers_little_however_often_it_is_looked_at_and_keeps_what_else_there_is() -> None:
    one = Endpoint(slow="1s", error_rate={"window": "10m", "at_least": 10})
    one.look("..x." * 100)
    assert len(one.memory["rate"]["steps"]) <= 61 and len(one.memory["latencies"]) == 20
    one.look("x")
    assert len(one.memory["latencies"]) == 20


@pytest.mark.parametrize(
    "memory", [{"rate": 7}, {"rate": {}}, {"rate": {"steps": [], "failing": 0}}, {"latencies": "x"}]
)
def test_odd_memory_stops_nothing(memory: dict[str, Any]) -> None:
    one = Endpoint()
    one.memory = memory
    assert one.look("..").healthy


def test_an_action_that_a_clock_which_was_ahead_wrote_down_does_not_end_the_counting() -> None:
    one = Endpoint()
    one.beat = {"acted_at": (NOW + timedelta(days=300)).isoformat()}
    assert not one.look("...x..x..x.").healthy
    assert not look(N8n(*runs(0, 12, 5)), beat=one.beat).healthy


def test_a_clock_that_is_set_back_forgets_what_lies_ahead() -> None:
    one = Endpoint()
    one.look("...x..x..x.")
    one.now -= timedelta(hours=1)
    assert one.look(".").healthy and len(one.memory["rate"]["steps"]) == 1
