"""Audits by the worker: made when they are due or asked for, kept, told in history, and never an incident."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from recovery.clock import to_micros, utc_now
from recovery.model import Audit, AuditPlan
from recovery.store import audits, database
from recovery.store.tables import AuditRow
from recovery.worker.auditing import FIRST_AFTER, plan_audits
from recovery.worker.context import Auditing
from tests.n8n import workflows as w
from tests.standins.n8n import StandInN8n
from tests.story.engine import Engine

WEEK = timedelta(days=7)


@pytest.fixture
def n8n(store: str) -> Iterator[StandInN8n]:
    with StandInN8n() as found:
        yield found


def engine(clock: Any, n8n: Any, every: timedelta = WEEK) -> Engine:
    made = Engine(clock, n8n.url, n8n.api_key)
    made.ctx.auditing = Auditing({"default": AuditPlan("default", 86_400.0)}, every)
    with database.decide():
        plan_audits(made.ctx, utc_now())
    return made


def bare(n8n: StandInN8n, name: str) -> None:
    made = n8n.create_workflow(w.workflow(name, w.webhook(name), w.no_op(), executionTimeout=60))
    n8n.activate(made, name)


def test_the_first_audit_comes_soon_and_then_one_a_week(n8n: StandInN8n, fake_clock: Any) -> None:
    bare(n8n, "bare")
    worker = engine(fake_clock, n8n)
    worker.tick()
    assert AuditRow.get().made_at is None, "not yet"
    fake_clock.advance(FIRST_AFTER.total_seconds() + 1)
    worker.tick()
    row = AuditRow.get()
    assert [one["rule"] for one in row.findings] == ["unwired"] and (row.score, row.workflows) == (50, 1)
    assert row.run_at == row.made_at + WEEK and worker.incidents() == [] and worker.alerts() == []
    assert worker.history("audit") == ["score 50: 1 findings in 1 workflows, 1 of them new"]
    first = row.made_at
    fake_clock.advance(WEEK.total_seconds() - 5)
    worker.tick()
    assert AuditRow.get().made_at == first
    bare(n8n, "second")
    fake_clock.advance(6)
    worker.tick()
    assert AuditRow.get().made_at > first
    assert worker.history("audit")[-1] == "score 33: 2 findings in 2 workflows, 1 of them new"
    assert [one["workflow"] for one in AuditRow.get().findings if one["since"] > to_micros(first)] == ["second"]


def test_a_person_asks_and_is_answered_at_once(n8n: StandInN8n, fake_clock: Any) -> None:
    worker = engine(fake_clock, n8n, every=timedelta(0))
    worker.tick()
    assert AuditRow.get().run_at is None, "only when asked"
    assert audits.ask_for_audit("default", "mina", utc_now())
    assert not audits.ask_for_audit("default", "mina", utc_now()), "one is enough"
    assert not audits.ask_for_audit("other", "mina", utc_now())
    worker.tick()
    row = AuditRow.get()
    assert (row.asked_at, row.asked_by, row.run_at, row.score) == (None, "", None, 100) and row.made_at
    assert audits.ask_for_audit("default", "mina", utc_now()), "and again"


def test_an_n8n_that_is_away_is_a_finding_and_no_incident(n8n: StandInN8n, fake_clock: Any) -> None:
    worker = engine(fake_clock, n8n)
    n8n.stop()
    audits.ask_for_audit("default", "mina", utc_now())
    worker.tick()
    row = AuditRow.get()
    assert (row.score, [one["rule"] for one in row.findings]) == (0, ["not_reached"])
    assert worker.incidents() == []


def test_an_audit_that_breaks_says_so_and_is_not_made_for_ever(n8n: StandInN8n, fake_clock: Any) -> None:
    worker = engine(fake_clock, n8n)
    worker.outside.n8n = lambda site: SimpleNamespace(key_ends=lambda: 1 / 0)  # type: ignore[method-assign]
    audits.ask_for_audit("default", "mina", utc_now())
    worker.tick()
    row = AuditRow.get()
    assert "the audit itself broke: ZeroDivisionError" in row.findings[0]["because"]
    assert row.run_at == row.made_at + WEEK and row.lease_until is None


def test_an_audit_whose_worker_was_killed_is_made_by_the_next_one(n8n: StandInN8n, fake_clock: Any) -> None:
    worker = engine(fake_clock, n8n)
    audits.ask_for_audit("default", "mina", utc_now())
    with database.write():
        (lost,) = audits.claim_audits(utc_now(), utc_now() + timedelta(minutes=15), "dead")
    worker.tick()
    assert AuditRow.get().made_at is None, "it may still be under way"
    fake_clock.advance(901)
    worker.tick()
    row = AuditRow.get()
    assert row.made_at and row.asked_at is None
    with database.write():
        late = audits.finish_audit(lost, Audit("default", utc_now(), 9, 9, ()), None, utc_now())
    assert not late and AuditRow.get().workflows == 0, "what the dead one had found is dropped"


def test_what_was_configured_otherwise_counts_at_the_next_start(n8n: StandInN8n, fake_clock: Any) -> None:
    worker = engine(fake_clock, n8n)
    audits.ask_for_audit("default", "mina", utc_now())
    engine(fake_clock, n8n, every=timedelta(0))
    assert AuditRow.get().run_at == utc_now(), "what a person asked for stays"
    worker.tick()
    engine(fake_clock, n8n, every=timedelta(days=1))
    row = AuditRow.get()
    assert row.run_at == row.made_at + timedelta(days=1)
    worker.ctx.auditing = Auditing({}, WEEK)
    with database.decide():
        plan_audits(worker.ctx, utc_now())
    assert audits.find_audits() == [], "it is no longer configured"
