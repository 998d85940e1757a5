"""`medic playbook explain`: what would be done, and when, in words."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from recovery.clock import utc_now
from recovery.model import (
    FailureType,
    IncidentState,
    PlannedAction,
    PlannedCheck,
    Playbook,
    RecoveryState,
    Stage,
    StepKind,
    StepState,
)
from recovery.store import database, maintenance, outcomes, recoveries, steps, suggestions
from recovery.store.tables import IncidentRow, SuggestionRow
from tests.unit.test_cli import Run, run  # noqa: F401  the fixture

FILE = """
components:
  - name: orders
    check: {kind: tcp, host: orders.example.com, port: 80}
    actions:
      restart: {kind: run_command, command: ["systemctl", "restart", "{{component}}"]}
      scale_up: {kind: run_command, command: ["more"], needs_approval: true, back_after: 30m}
  - {name: mail}
playbooks:
  - name: shop
    match: {failure_type: api_error, component: orders}
    order: learned
    stages: [{attempts: 2, one_of: [restart, scale_up], spacing: 30s}, {after: 5m, actions: [], needs_approval: true}]
  - name: verified
    match: {failure_type: api_timeout}
    stages:
      - {actions: [restart], check: orders}
      - {actions: [], check: {kind: http, url: "http://shop.example.com"}}
      - {}
"""


def explained(run: Run, *words: str) -> str:  # noqa: F811
    shown = run("playbook", "explain", *words, file=FILE)
    assert shown.exit_code == 0, shown.output
    return shown.output


def test_what_usually_helps_is_told_stage_by_stage(run: Run) -> None:  # noqa: F811
    told = explained(run, "orders")
    assert "what usually helps against server_unresponsive: restart, then scale_up" in told
    assert "stage 1, at once: once\n    run `systemctl restart orders`, for at most 60 s" in told
    assert "run `more`, for at most 60 s, after a person's yes; undone after 30m" in told
    assert "stage 3, 5m later: up to 3 times" in told
    assert "the check tcp must confirm" in told
    assert "15m after opening at the latest" in told
    assert "6 times an hour and 20 times a day" in told


def test_a_playbook_that_was_written_down_is_named(run: Run) -> None:  # noqa: F811
    told = explained(run, "orders", "--failure-type", "api_error")
    assert "the playbook shop" in told
    assert "attempt 2: run `more`" in told
    assert "in the order of what has helped before" in told
    assert "stage 2, 5m later: once, after a person's yes" in told


def test_what_verifies_a_stage_is_told(run: Run) -> None:  # noqa: F811
    told = explained(run, "orders", "--failure-type", "api_timeout")
    assert "verified by the check tcp of orders\n" in told and "verified by the check http\n" in told
    assert told.count("verified by") == 2
    assert "after it the same check, or the stage's own, verifies, for 10s" in told


def test_one_for_which_nothing_is_configured_says_so(run: Run) -> None:  # noqa: F811
    assert "executions are retried; nothing else is configured" in explained(run, "mail")


def test_a_dry_run_is_told(run: Run) -> None:  # noqa: F811
    shown = run("playbook", "explain", "orders", file=FILE, MEDIC_DRY_RUN="true")
    assert "dry run: everything is decided" in shown.output


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["ordrs"], "no component named 'ordrs' is configured; there are: orders, mail"),
        (["orders", "--failure-type", "slow"], "no failure type 'slow'; there are api_timeout"),
        (["7"], "There is no history yet"),
    ],
)
def test_what_does_not_exist_is_told(run: Run, words: list[str], problem: str) -> None:  # noqa: F811
    shown = run("playbook", "explain", *words, file=FILE)
    assert shown.exit_code != 0
    assert problem in shown.output + shown.stderr


def an_incident(state: IncidentState, because: str, **more: Any) -> IncidentRow:
    now = utc_now()
    times = dict.fromkeys(("opened_at", "last_signal_at", "failed_at", "episode_at"), now)
    told = {"cause": "503", "because": because, "outlook": "transient", "cause_class": "unavailable"}
    return IncidentRow.create(
        fingerprint="x", component="orders", failure_type="api_error", severity="high", state=state,
        **times, **told, **more,
    )  # fmt: skip


@pytest.fixture
def history(tmp_path: Path) -> Iterator[None]:
    """A database that the command finds."""
    (tmp_path / "data").mkdir()
    database.open_database(f"sqlite:///{tmp_path}/data/medic.db", migrate=True)
    yield
    database.close_database()


def test_an_incident_is_explained_with_where_it_stands(run: Run, history: None) -> None:  # noqa: F811
    now = utc_now()
    with database.write():
        row = an_incident(IncidentState.NEEDS_HUMAN, "all is used up")
        healed = recoveries.add_recovery(row.id, asdict(Playbook((Stage(0, 1),))), "x", now, now)
        for step in range(1, 61):
            name, helped = ("restart", step % 20 == 0) if step % 2 else ("scale_up", step % 20 != 0)
            outcomes.add_outcome(healed, step, FailureType.API_ERROR, "orders", name, helped, 9.0, now)
        recoveries.end_recovery(healed, RecoveryState.FAILED, "x", now)
    database.close_database()
    shown = explained(run, str(row.id))
    assert "the page /override takes it" in shown
    assert "worth a change of the playbook? restart succeeded 0 of 30 times here; scale_up 27 of 30" in shown
    assert "the playbook shop" in shown
    assert f"incident {row.id} is needs_human: all is used up" in shown


def test_one_that_is_healed_now_is_told_by_its_own_copy_with_what_holds_it(
    run: Run,  # noqa: F811
    history: None,
) -> None:
    now = utc_now()
    restart = PlannedAction("run_command", {"command": ["as-it-was"]})
    began = Playbook((Stage(0, 1, (restart,)), Stage(60, 2, (restart,))), name="shop", check=PlannedCheck("tcp"))
    with database.write():
        row = an_incident(IncidentState.RECOVERING, "answered 503")
        recovery = recoveries.add_recovery(row.id, asdict(began), "the check still fails", now, now)
        for _ in range(6):
            acted = steps.add_step(
                recovery, StepKind.ACTION, "run_command", "x", now, StepState.FAILED, component="orders",
                started_at=now, finished_at=now,
            )  # fmt: skip
        maintenance.add_window(["orders"], now, None, "new disk", "kim", now)
    database.close_database()
    shown = explained(run, str(row.id)).splitlines()
    assert acted.number == 6
    assert shown[0] == "orders, api_error, high: the playbook shop"
    assert shown[1] == f"  incident {row.id} is recovering: answered 503"
    assert shown[2].startswith("  its recovery, with the playbook that it began with, is ")
    assert shown[2].endswith(": the check still fails")
    assert shown[3] == "  now nothing is begun: maintenance: new disk"
    assert shown[4].startswith("  now run_command was run 6 times on it within an hour, and no more is done by itself")
    assert "    run `as-it-was`, for at most 60 s" in shown and "systemctl" not in str(shown)
    assert "  stage 2, 1m later: up to 2 times, one right after the other" in shown


def test_what_is_restarted_on_its_host_is_told_as_what_it_waits_for(run: Run, history: None) -> None:  # noqa: F811
    now = utc_now()
    with database.write():
        row = an_incident(IncidentState.RECOVERING, "answered 503")
        other = recoveries.add_recovery(row.id, asdict(Playbook((Stage(0, 1),))), "x", now, now)
        steps.add_step(
            other, StepKind.ACTION, "restart_service", "x", now, StepState.RUNNING, component="mail",
            host="this machine", started_at=now,
        )  # fmt: skip
    database.close_database()
    assert "  now one restart at a time on a host: restart_service of mail is under way\n" in explained(run, "orders")


def test_what_is_never_acted_upon_by_itself_and_what_it_needs_are_told(run: Run) -> None:  # noqa: F811
    file = """
components:
  - {name: db, check: {kind: tcp, host: h, port: 80}}
  - {name: api, restart: ["restart", "api"], depends_on: [db]}
"""
    shown = run("playbook", "explain", "api", file=file).output
    assert "trust_probes is off: of these actions none is run before a person says retry now" in shown
    assert "it needs db: as long as one of them is down, nothing of this is begun" in shown


def test_a_suggestion_that_was_taken_is_told_with_how_to_write_it_down(run: Run, history: None) -> None:  # noqa: F811
    ways = [{"action": "run_command", "after_seconds": after, "successes": 1, "tries": 41} for after in (0.0, 300.0)]
    found = {"worse": ways[0], "better": ways[1], "before": [], "after": []}
    suggestions.offer("web", "server_unresponsive", "", [found], utc_now())
    suggestions.take(SuggestionRow.get().id, "kim", utc_now())
    database.close_database()
    file = 'components: [{name: web, check: {kind: tcp, host: h, port: 80}, restart: ["restart", "web"]}]\n'
    shown = run("playbook", "explain", "web", file=file).output
    assert "stage 1, 5m later: up to 3 times" in shown
    assert (
        "by kim's choice run_command after 5 minutes is tried before run_command at once; /override takes it back"
        in shown
    )
    stages = [line.strip() for line in shown.splitlines() if line.startswith("    - {")]
    assert stages[0] == "- {after: 5m, attempts: 3, actions: [restart]}"
    match = "{component: web, failure_type: server_unresponsive}"
    written = f"{file}playbooks:\n  - name: mine\n    match: {match}\n    stages:\n      " + "\n      ".join(stages)
    assert run("check-config", file=written).exit_code == 0
