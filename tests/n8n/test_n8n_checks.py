"""The checks of n8n itself on both n8ns: `recovery.checks.n8n`, `recovery.checks.n8n_stuck`,
`recovery.checks.n8n_webhooks`, `recovery.checks.n8n_schedules` and `recovery.checks.error_rate`;
test_n8n_more_checks.py has the others.
"""

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from recovery.checks import REGISTRY
from recovery.checks.n8n_schedules import due_of
from recovery.clock import utc_now
from recovery.decide.connectivity import is_unanswered
from recovery.model import FailureType, N8nError, N8nNumbers, Past
from recovery.outside.n8n import N8n
from tests.n8n import workflows as w
from tests.n8n.looking import look
from tests.n8n.real import RealN8n, free_port
from tests.n8n.world import World
from tests.standins.n8n_client import wait_for
from tests.standins.service import Service, hang

KINDS = ("n8n", "n8n_stuck", "n8n_webhooks", "n8n_schedules", "n8n_waiting", "n8n_queue", "n8n_published",
         "n8n_credentials", "n8n_pruning")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_an_n8n_that_is_there_is_healthy(world: World, kind: str) -> None:
    reading = look(kind, world.door, longer_than="1h") if kind == "n8n_stuck" else look(kind, world.door)
    assert reading.healthy, reading.because


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_away_and_one_that_is_not_configured_are_not(kind: str) -> None:
    away = look(kind, N8n("default", f"http://127.0.0.1:{free_port()}", "key", 1.0))
    assert not away.healthy and away.failure_type == FailureType.N8N_UNREADY and not away.permanent
    missing = look(kind, None, site="other")
    assert not missing.healthy and missing.permanent and "'other'" in missing.because


@pytest.mark.parametrize("kind", KINDS)
def test_only_one_that_has_answered_proves_that_this_machine_is_online(kind: str) -> None:
    away = N8n("default", f"http://127.0.0.1:{free_port()}", "key", 1.0)
    assert is_unanswered(look(kind, away))
    with Service() as service:
        for path in ("/healthz/readiness", "/api/v1/executions", "/api/v1/workflows", "/api/v1/credentials"):
            service.behave(path, 503)
        reading = look(kind, N8n("default", service.url, "key", 1.0))
    assert reading.healthy is False and not is_unanswered(reading), reading


@pytest.mark.n8n
def test_a_real_n8n_that_is_killed_is_noticed_and_is_well_again_once_it_is_ready() -> None:
    with RealN8n() as n8n:
        door = N8n("default", n8n.url, n8n.api_key, 2.0)
        assert look("n8n", door).healthy
        n8n.kill9()
        dead = look("n8n", door)
        assert not dead.healthy and dead.failure_type == FailureType.N8N_UNREADY and not dead.permanent
        n8n.start()
        back = look("n8n", door)
        assert back.healthy, back.because


@pytest.mark.parametrize(
    ("kind", "slow"), [("n8n_webhooks", "webhook_methods"), ("n8n_schedules", "executions"), ("n8n", "executions")]
)
def test_a_look_at_an_n8n_that_is_slow_ends(monkeypatch: pytest.MonkeyPatch, kind: str, slow: str) -> None:
    """Each answer comes within its own deadline, but hundreds of them hold the look for minutes."""
    monkeypatch.setattr("recovery.checks.asking_n8n.LOOK_SECONDS", 0.2)
    hook = {"type": "n8n-nodes-base.webhook", "parameters": {"path": "x"}}
    workflow = {"id": "w", "name": "w", "active": True, "nodes": [hook, schedule(field="minutes")]}
    door = SimpleNamespace(readiness=lambda: "", published_workflows=lambda: [workflow] * 200, key_ends=lambda: None)
    asked = []

    def answer(*args: Any, **more: Any) -> Any:
        time.sleep(0.05 if kind != "n8n" else 0.3)
        asked.append(args)
        return frozenset({"GET"}) if slow == "webhook_methods" else ([], "")

    setattr(door, slow, answer)
    reading = look(kind, door)
    assert not reading.healthy and "longer than 0.2 s for what one look asks" in reading.because
    assert reading.failure_type == FailureType.N8N_UNREADY and len(asked) <= 5


def test_a_wrong_key_calls_a_person(world: World) -> None:
    reading = look("n8n", N8n("default", world.n8n.url, "wrong"))
    assert (reading.healthy, reading.permanent) == (False, True)
    assert reading.failure_type == FailureType.CREDENTIAL_EXPIRED and "wrong" not in reading.because


def key_that_ends(in_days: float) -> str:
    claims = json.dumps({"sub": "x", "exp": int((utc_now() + timedelta(days=in_days)).timestamp())}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


@pytest.mark.parametrize(("days", "healthy"), [(30, True), (6, False), (-1, False)])
def test_a_key_that_is_about_to_end_is_told_in_time(world: World, days: float, healthy: bool) -> None:
    ends = N8n("default", "http://127.0.0.1:1", key_that_ends(days)).key_ends()
    door = SimpleNamespace(readiness=lambda: "", executions=lambda **more: ([], ""), key_ends=lambda: ends)
    door.numbers = lambda: N8nNumbers()
    reading = look("n8n", door)
    assert reading.healthy == healthy and (healthy or reading.permanent)


def test_the_version_is_told_where_n8n_tells_it(world: World) -> None:
    assert look("n8n", world.door).because == "n8n 2.40.7 is ready, and takes the API key"

    def numbers() -> Any:
        raise N8nError("too slow", "timeout")

    mute = SimpleNamespace(readiness=lambda: "", executions=lambda **more: ([], ""), key_ends=lambda: None)
    for mute.numbers in (N8nNumbers, numbers):
        assert look("n8n", mute).because == "it is ready, and takes the API key"


def test_a_pool_of_database_connections_that_stays_full_is_unready() -> None:
    full = {"db_pool_requests_pending": 7.0, "db_pool_connections_active": 10.0, "db_pool_connections_max": 10.0}
    door = SimpleNamespace(readiness=lambda: "", executions=lambda **more: ([], ""), key_ends=lambda: None)
    door.numbers = lambda: N8nNumbers("2.40.7", full)
    first = look("n8n", door)
    assert first.healthy, "a moment is nothing"
    then = look("n8n", door, timedelta(seconds=61), first.memory)
    assert not then.healthy and then.failure_type == FailureType.N8N_UNREADY
    assert "all 10 connections" in then.because and "7 requests wait" in then.because
    full["db_pool_requests_pending"] = 0.0
    again = look("n8n", door, timedelta(seconds=90), then.memory)
    assert again.healthy and not (again.memory or {})["since"]


@pytest.mark.parametrize("key", ["", "a", "a.b.c", "e30.e30.x", "e30.eyJleHAiOiJ4In0.x", "e30.W10.x", "é.é.é"])
def test_a_key_that_does_not_tell_its_end_has_none(key: str) -> None:
    assert N8n("default", "http://127.0.0.1:1", key).key_ends() is None


def test_an_execution_that_hangs_is_stuck_until_it_ends(world: World) -> None:
    world.service.behave("/slow", hang(4))
    workflow_id, path = world.publish(w.http("Slow", world.url("/slow")))
    world.n8n.call(path, {"id": "a"})
    wait_for("the call", lambda: world.service.calls("/slow"), 20)
    strict = {"longer_than": "1s", "at_least": "0s"}
    reading = look("n8n_stuck", world.door, timedelta(seconds=30), **strict)
    assert not reading.healthy and reading.failure_type == FailureType.WORKFLOW_STUCK
    assert workflow_id in reading.because and reading.because.startswith("1 stuck")
    assert look("n8n_stuck", world.door, longer_than="1h", at_least="0s").healthy
    world.n8n.ended(workflow_id)
    assert look("n8n_stuck", world.door, timedelta(seconds=30), **strict).healthy


def test_the_share_of_a_workflows_failures_is_counted_by_its_name_or_its_id(world: World) -> None:
    workflow_id, path = world.publish(w.http("Call", world.url("/shaky")), name="Shaky orders")
    world.service.behave("/shaky", *[200] * 4, *[503] * 4)
    for number in range(8):
        world.n8n.call(path, {"id": str(number)})
        world.n8n.ended(workflow_id, number + 1)
    for name in (workflow_id, f"Shaky orders {path}"):
        reading = look("error_rate", world.door, workflow=name, at_least=8, at_most="40%")
        assert (reading.healthy, reading.failure_type) == (False, FailureType.HIGH_ERROR_RATE), reading.because
        assert "50 % of its executions failed within 15m (limit 40 %): 4 of 8" in reading.because
    assert look("error_rate", world.door, workflow=workflow_id, at_least=8, at_most="50%").healthy
    assert "too few to judge" in look("error_rate", world.door, workflow=workflow_id, at_least=9).because
    assert look("error_rate", world.door, timedelta(minutes=20), workflow=workflow_id, at_least=1).healthy


def test_a_workflow_whose_successes_are_not_saved_is_told_to_a_person(world: World) -> None:
    made = w.workflow(
        "Forgetful", w.webhook("forgetful"), w.http("Call", world.url("/bad")), saveDataSuccessExecution="none"
    )
    workflow_id = world.n8n.create_workflow(made)
    world.n8n.activate(workflow_id, "forgetful")
    world.service.behave("/bad", 503)
    world.n8n.call("forgetful", {"id": "a"})
    world.n8n.ended(workflow_id)
    reading = look("error_rate", world.door, workflow="Forgetful", at_least=1)
    assert reading.permanent and "does not save this workflow's successes" in reading.because
    missing = look("error_rate", world.door, workflow="No such workflow at all")
    assert missing.permanent and "n8n has no workflow" in missing.because


def run(number: int, seconds: float, status: str = "success") -> dict[str, Any]:
    began = utc_now() - timedelta(hours=5)
    ended = (began + timedelta(seconds=seconds)).isoformat()
    return {"id": str(number), "workflowId": "w", "mode": "webhook", "startedAt": began.isoformat(), "stoppedAt": ended}


def test_a_run_is_measured_by_its_own_past() -> None:
    """Runs of a minute, and one that has run for eleven: stuck by its own measure, long before the limit."""
    began = (utc_now() - timedelta(minutes=11)).isoformat()
    now = {"id": "99", "workflowId": "w", "mode": "webhook", "startedAt": began}
    for past, healthy in (([run(n, 60) for n in range(20)], False), ([run(n, 400) for n in range(20)], True),
                          ([run(n, 60) for n in range(3)], True)):  # fmt: skip

        def executions(status: str, *args: Any, past: Any = past, **more: Any) -> Any:
            return ([now], "") if status == "running" else (past, "")

        assert (
            look("n8n_stuck", SimpleNamespace(executions=executions, tagged_workflows=lambda tag: [])).healthy
            == healthy
        )
    odd = [{"id": "1"}, {"id": "2", "startedAt": "never"}, {"id": "3", "startedAt": 7, "mode": "manual"}]
    assert look("n8n_stuck", SimpleNamespace(executions=lambda *a, **m: (odd, ""))).healthy


def test_a_webhook_that_n8n_has_lost_is_told_with_its_workflow(world: World) -> None:
    workflow_id, path = world.publish(w.no_op(), name="Take orders")
    assert "POST" in world.door.webhook_methods(path)
    assert world.door.webhook_methods("no-such-hook-at-all") == frozenset()

    world.n8n.lose_triggers(workflow_id)
    reading = look("n8n_webhooks", world.door)
    assert not reading.healthy and reading.failure_type == FailureType.WEBHOOK_UNREGISTERED
    assert f"POST {path} of Take orders" in reading.because
    world.n8n.activate(workflow_id, path)


def test_a_draft_with_another_webhook_is_not_missed(world: World) -> None:
    """What is saved and not published answers nobody, and should not."""
    workflow_id, path = world.publish(w.no_op())
    live = world.n8n.api("GET", f"workflows/{workflow_id}").json()["activeVersionId"]
    world.draft(workflow_id, w.webhook("only-in-the-draft"), w.no_op())
    assert look("n8n_webhooks", world.door).healthy
    world.n8n.lose_triggers(workflow_id)
    because = look("n8n_webhooks", world.door).because
    assert path in because and "only-in-the-draft" not in because
    world.door.publish(workflow_id, live)


def test_a_draft_with_another_schedule_is_not_missed() -> None:
    nodes = {"activeVersion": {"nodes": []}, "nodes": [schedule(field="minutes")]}
    args = REGISTRY.find("n8n_schedules").args()
    assert due_of(args, nodes, utc_now()) is None and due_of(args, {"nodes": nodes["nodes"]}, utc_now())


def test_webhooks_that_cannot_be_asked_are_left_out() -> None:
    hook = {"type": "n8n-nodes-base.webhook", "parameters": {"path": "orders/:id"}}
    odd = [hook, {**hook, "disabled": True, "parameters": {"path": "x"}}, {**hook, "parameters": None}, None, 7]
    door = SimpleNamespace(published_workflows=lambda: [{"name": "odd", "nodes": odd}, {"nodes": None}, {}])
    door.webhook_methods = lambda path: pytest.fail(f"{path} was asked")
    assert look("n8n_webhooks", door).healthy


def schedule(**interval: Any) -> w.Node:
    return w.node("Every so often", "scheduleTrigger", 1.2, {"rule": {"interval": [interval]}})


@pytest.mark.n8n
def test_a_schedule_runs_and_is_missed_when_it_does_not(real_n8n: Any) -> None:
    door = N8n("default", real_n8n.url, real_n8n.api_key)
    made = w.workflow("Tick", schedule(field="seconds", secondsInterval=2), w.no_op())
    workflow_id = real_n8n.create_workflow(made)
    real_n8n.activate(workflow_id)
    real_n8n.ended(workflow_id, 2, 30)
    strict = {"grace": "1s", "factor": 2.0}
    wait_for("its last change is old enough", lambda: look("n8n_schedules", door, **strict).healthy, 20)
    time.sleep(1)
    late = look("n8n_schedules", door, timedelta(minutes=10), **strict)
    assert not late.healthy and late.failure_type == FailureType.SCHEDULE_MISSED and "Tick" in late.because
    real_n8n.api("POST", f"workflows/{workflow_id}/deactivate")
    assert look("n8n_schedules", door, timedelta(minutes=10), **strict).healthy, "it is not published any more"


NOON = datetime(2026, 11, 24, 12, 30, 20, tzinfo=UTC)  # a Tuesday


@pytest.mark.parametrize(
    ("interval", "since"),
    [
        ({"field": "seconds", "secondsInterval": 10}, "24 12:25:05"), ({"field": "minutes"}, "24 12:17:50"),
        ({}, "23 00:25:20"), ({"field": "hours", "hoursInterval": 2}, "24 09:25:20"),
        ({"field": "weeks"}, "14 00:25:20"),
        ({"field": "cronExpression", "expression": "*/15 * * * *"}, "24 12:14:00"),
        ({"field": "cronExpression", "expression": "0 */15 * * * *"}, "24 12:14:00"),
        ({"field": "cronExpression", "expression": "0 9 * * 1-5"}, "24 08:59:00"),
        ({"field": "cronExpression", "expression": "0 15 * * 1-5"}, "23 14:59:00"),
        ({"field": "cronExpression", "expression": "nonsense"}, ""), ({"field": "hours", "hoursInterval": "x"}, ""),
        ({"field": "cronExpression", "expression": "0 0 30 2 *"}, ""),
        ({"field": "minutes", "minutesInterval": -5}, ""),
        ({"field": "cronExpression", "expression": 7}, ""), ({"field": "eons"}, ""),
    ],
)  # fmt: skip
def test_since_when_a_schedule_should_have_run_is_read(interval: dict[str, Any], since: str) -> None:
    args = REGISTRY.find("n8n_schedules").args(timezone="UTC")
    found = due_of(args, {"nodes": [schedule(**interval)]}, NOON)
    assert (f"{found[0]:%d %H:%M:%S}" if found else "") == since
    assert due_of(args, {"nodes": [{**schedule(**interval), "disabled": True}]}, NOON) is None


class Scheduled:
    """A door to an n8n with one published workflow of a cron schedule, and the runs that n8n still keeps."""

    def __init__(self, cron: str, *ran: str, **settings: Any):
        rule = {"field": "cronExpression", "expression": cron}
        self.settings = {"saveDataSuccessExecution": "all", "timezone": "UTC", **settings}
        self.ran, self.asked, self.rules = list(ran), 0, [rule]

    def published_workflows(self) -> Any:
        nodes = [schedule(**rule) for rule in self.rules]
        return [{"id": "w", "name": "Office", "updatedAt": OLD, "settings": self.settings, "nodes": nodes}]

    def workflow(self, workflow_id: str) -> Any:
        return {"settings": self.settings}

    def executions(self, status: str = "", *args: Any, **more: Any) -> Any:
        self.asked += 1
        found = [] if status == "running" else [{"startedAt": at, "workflowId": "w"} for at in sorted(self.ran)[::-1]]
        return found, ""

    def look(self, now: str, memory: Any = None, **args: Any) -> Any:
        plugin = REGISTRY.find("n8n_schedules")
        past = Past(datetime.fromisoformat(now), json.loads(json.dumps(memory or {})))
        return plugin.run(plugin.args(**args), SimpleNamespace(n8n=lambda site: self), past)


OLD = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("cron", "last", "now", "healthy"),
    [
        ("*/5 9-17 * * 1-5", "2026-11-24T17:55:00Z", "2026-11-24T20:15:00Z", True),  # in the evening
        ("*/5 9-17 * * 1-5", "2026-11-27T17:55:00Z", "2026-11-29T20:15:00Z", True),  # on a Sunday
        ("*/5 9-17 * * 1-5", "2026-11-24T09:30:00Z", "2026-11-24T09:43:00Z", False),
        ("0 9 * * 1-5", "2026-11-23T09:00:00Z", "2026-11-24T09:04:00Z", True),  # within the grace
        ("0 9 * * 1-5", "2026-11-23T09:00:00Z", "2026-11-24T09:06:00Z", False),
        ("0 9 * * 1-5", "2026-11-24T08:59:30Z", "2026-11-24T09:06:00Z", True),  # n8n's clock is behind
    ],
)
def test_a_schedule_of_cron_is_missed_once_it_was_due(cron: str, last: str, now: str, healthy: bool) -> None:
    reading = Scheduled(cron, last).look(now)
    assert reading.healthy is healthy, reading.because
    if not healthy:
        assert reading.failure_type == FailureType.SCHEDULE_MISSED and "Office (last ran 2026" in reading.because
        assert "was due at 2026-11-24 09:" in reading.because


def test_a_schedule_is_meant_in_the_workflows_time_zone_or_in_n8ns() -> None:
    last, now = "2026-11-24T00:00:00Z", "2026-11-25T00:10:00Z"  # nine in the morning in Seoul
    assert not Scheduled("0 9 * * *", last, timezone="Asia/Seoul").look(now).healthy
    assert not Scheduled("0 9 * * *", last, timezone="DEFAULT").look(now, timezone="Asia/Seoul").healthy
    assert Scheduled("0 9 * * *", last, timezone="America/New_York").look("2026-11-24T14:04:00Z").healthy
    assert not Scheduled("0 9 * * *", last, timezone="America/New_York").look("2026-11-24T14:06:00Z").healthy
    for unknown in ("DEFAULT", None, 7):
        door = Scheduled("0 9 * * *", last, timezone=unknown)
        assert door.look("2026-11-24T23:00:00Z").healthy, "nine o'clock may be yet to come in n8n's own time zone"
        assert not door.look("2026-11-25T01:10:00Z").healthy, "it was nine o'clock everywhere"
        assert not Scheduled("*/5 * * * *", last, timezone=unknown).look("2026-11-24T00:15:00Z").healthy
    assert Scheduled("0 9 * * *", last, timezone="Mars/Olympus").look(now).healthy


def test_the_last_run_is_remembered_when_n8n_has_deleted_it() -> None:
    door = Scheduled("0 6 1 * *", "2026-11-01T06:00:00Z")
    reading = door.look("2026-11-02T00:00:00Z")
    asked, door.ran = door.asked, []
    for day in range(3, 31):
        reading = door.look(f"2026-11-{day:02}T00:00:00Z", reading.memory)
        assert reading.healthy, reading.because
    assert door.asked == asked, "n8n is asked only where a run is missing"
    missed = door.look("2026-12-01T06:10:00Z", reading.memory)
    assert not missed.healthy and "last ran 2026-11-01 06:00 UTC" in missed.because
    assert not door.look("2026-12-13T06:10:00Z", missed.memory).healthy
    door.ran = ["2026-12-13T12:00:00Z"]
    assert door.look("2026-12-13T13:00:00Z", missed.memory).healthy
    later = Scheduled("0 6 1 * *").look("2027-01-20T00:00:00Z", missed.memory)
    assert later.healthy, "what ran meanwhile may have been deleted unseen"


def test_a_run_that_n8n_may_have_deleted_unseen_is_not_missed() -> None:
    assert Scheduled("0 6 1 * *").look("2026-11-20T00:00:00Z").healthy
    assert not Scheduled("0 6 1 * *").look("2026-11-10T00:00:00Z").healthy
    assert Scheduled("0 6 1 * *").look("2026-11-10T00:00:00Z", max_age="168h").healthy


def test_where_successes_are_not_known_to_be_saved_nothing_is_missed() -> None:
    now = "2026-11-24T12:00:00Z"
    assert not Scheduled("*/5 * * * *").look(now).healthy
    for saved in (None, "DEFAULT", "none"):
        assert Scheduled("*/5 * * * *", saveDataSuccessExecution=saved).look(now).healthy
    assert not Scheduled("*/5 * * * *", "2026-11-24T09:00:00Z", saveDataSuccessExecution=None).look(now).healthy


def test_of_several_rules_the_one_that_should_have_run_last_counts() -> None:
    door = Scheduled("0 3 * * *", "2026-11-24T03:00:00Z")
    assert door.look("2026-11-24T12:00:00Z").healthy
    door.rules += [{"field": "hours"}, {"field": "eons"}]
    late = door.look("2026-11-24T12:00:00Z")
    assert not late.healthy and "should every 1:00:00" in late.because


@pytest.mark.parametrize("memory", [{"ran": 7, "at": 1}, {"ran": {"w": "x"}, "at": NOON.timestamp()}, {"at": "x"}])
def test_odd_memory_of_schedules_stops_nothing(memory: Any) -> None:
    assert Scheduled("*/5 * * * *", "2026-11-24T12:30:00Z").look(NOON.isoformat(), memory).healthy


def test_one_that_was_just_changed_or_cannot_be_read_is_not_late() -> None:
    old = (utc_now() - timedelta(days=9)).isoformat()
    saving = {"saveDataSuccessExecution": "all"}
    base = {"id": "w", "name": "Tick", "updatedAt": old, "settings": saving, "nodes": [schedule(field="minutes")]}
    for one, healthy in (
        (base, False),
        ({**base, "updatedAt": utc_now().isoformat()}, True),
        ({**base, "nodes": [{"type": "n8n-nodes-base.scheduleTrigger", "parameters": {"rule": 7}}, None]}, False),
    ):
        door = SimpleNamespace(published_workflows=lambda one=one: [one], executions=lambda *a, **m: ([], ""))
        assert look("n8n_schedules", door).healthy == healthy, one


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_without_the_scope_says_which(kind: str) -> None:
    def refuse(*args: Any, **more: Any) -> Any:
        raise N8nError("the API key needs the scope workflow:list", "forbidden", permanent=True)

    door = SimpleNamespace(readiness=lambda: "", executions=refuse, published_workflows=refuse, credentials=refuse)
    door.numbers = lambda: N8nNumbers()
    reading = look(kind, door)
    assert not reading.healthy and "workflow:list" in reading.because
