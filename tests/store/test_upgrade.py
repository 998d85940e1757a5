"""A database that an earlier version made is brought up to date when it is opened, with all that is in it."""

from dataclasses import asdict

import peewee as pw
import pytest
from playhouse.migrate import PostgresqlMigrator, SqliteMigrator
from playhouse.migrate import migrate as apply

from recovery.clock import utc_now
from recovery.model import FailureType, Outcomes, PlannedAction, StepKind, StepState
from recovery.redact import redact
from recovery.store import alerts, database, orders, outcomes, steps, threads
from recovery.store.tables import (
    AlertRow,
    ComponentRow,
    ExecutionRow,
    IncidentRow,
    MaintenanceRow,
    OrderRow,
    OutcomeRow,
    RecoveryRow,
    ReplayRow,
    SiteRow,
    StepRow,
)
from tests.store.rows import add_chain, add_incident, add_recovery

LATER = {
    "incidents": ["failed_at", "held"],
    "executions": ["unread", "seen_id"],
    "components": ["memory", "beat", "looks"],
    "sites": ["newest_id", "newest_at", "generation", "refused"],
}


def test_columns_and_tables_that_came_later_are_added_and_filled(store: str) -> None:
    incident = add_incident("orders")
    add_chain("1", incident_id=incident.id)
    SiteRow.create(name="default")
    ComponentRow.create(name="orders")
    open_one = database.proxy.obj
    for table, columns in LATER.items():
        for column in columns:
            open_one.execute_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
    open_one.execute_sql("DROP TABLE maintenance")
    open_one.execute_sql("DELETE FROM migratehistory WHERE name > '002'")
    database.open_database(store)
    row = IncidentRow.get()
    assert row.component == "orders" and row.failed_at == row.last_signal_at
    assert (ExecutionRow.get().unread, SiteRow.get().generation, ComponentRow.get().memory) == (0, 0, None)
    assert ComponentRow.get().looks == 1
    MaintenanceRow.create(components=["*"], starts_at=utc_now(), who="kim", created_at=utc_now())
    assert add_incident("other").failed_at


def test_a_database_that_had_the_earlier_columns_gets_the_last_one_alone(store: str) -> None:
    ComponentRow.create(name="orders", failures=1)
    open_one = database.proxy.obj
    open_one.execute_sql("ALTER TABLE components DROP COLUMN looks")
    open_one.execute_sql("DELETE FROM migratehistory WHERE name > '003'")
    database.open_database(store)
    row = ComponentRow.get()
    assert (row.name, row.failures, row.looks) == ("orders", 1, 1)


def test_a_database_from_before_outcomes_were_kept_gets_their_table_with_its_rule_of_one_each(store: str) -> None:
    recovery = add_recovery(add_incident("orders").id)
    open_one = database.proxy.obj
    open_one.execute_sql("DROP TABLE outcomes")
    open_one.execute_sql("DELETE FROM migratehistory WHERE name > '006_dry_steps'")
    database.open_database(store)
    for succeeded in (True, False):
        outcomes.add_outcome(recovery, 2, FailureType.API_ERROR, "orders", "restart", succeeded, 12, utc_now())
    here, _ = outcomes.count_outcomes(FailureType.API_ERROR, "orders", ["restart"], utc_now())
    assert here == {"restart": Outcomes(1, 0, 12.0, None)} and OutcomeRow.select().count() == 1


def test_a_database_from_before_actions_by_hand_lets_a_step_and_an_order_stand_without_an_incident(store: str) -> None:
    incident = add_incident("orders")
    add_recovery(incident.id)
    told = {"kind": "action", "name": "restart", "state": "queued", "queued_at": utc_now(), "because": "x"}
    StepRow.create(recovery_id=1, incident_id=incident.id, number=1, stage=1, attempt=1, run_at=utc_now(), **told)
    OrderRow.create(incident_id=incident.id, what="pause", who="kim", asked_at=utc_now())
    make_as_before()
    database.open_database(store)
    assert (StepRow.get().name, OrderRow.get().what, OrderRow.get().component) == ("restart", "pause", "")
    asked = orders.ByHand("orders", "restart", {})
    order = orders.add_order_by_hand(asked, "kim", utc_now())
    for _ in range(2):
        steps.add_step_by_hand(order, StepKind.ACTION, "restart", "x", utc_now(), None)
    assert [row.number for row in steps.find_steps_by_hand(order.id)] == [1, 2]
    with pytest.raises(pw.IntegrityError):
        StepRow.create(order_id=order.id, number=1, stage=0, attempt=0, **told)
    assert {"steps_due", "steps_leased", "steps_by_hand"} <= {
        index.name for index in database.proxy.obj.get_indexes("steps")
    }


def make_as_before() -> None:
    """The tables as they were before."""
    open_one = database.proxy.obj
    change = SqliteMigrator(open_one) if database.is_sqlite() else PostgresqlMigrator(open_one)
    open_one.execute_sql("DROP INDEX steps_by_hand")
    apply(change.add_not_null("steps", "recovery_id"), change.add_not_null("steps", "incident_id"))
    apply(change.add_not_null("orders", "incident_id"))
    for table, column in (
        ("steps", "order_id"),
        *(("orders", name) for name in ("component", "action", "given", "dry")),
    ):
        open_one.execute_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
    open_one.execute_sql("DROP TABLE suggestions")
    open_one.execute_sql("DELETE FROM migratehistory WHERE name > '007_outcomes'")


def test_a_database_from_before_replays_gets_their_table_and_whose_a_chain_is(store: str) -> None:
    add_chain("1", incident_id=add_incident("orders").id)
    open_one = database.proxy.obj
    for statement in (
        "DROP INDEX executions_replayed",
        "ALTER TABLE executions DROP COLUMN replay_id",
        "DROP TABLE replays",
    ):
        open_one.execute_sql(statement)
    open_one.execute_sql("DELETE FROM migratehistory WHERE name >= '012'")
    database.open_database(store)
    assert ExecutionRow.get().replay_id is None and ReplayRow.select().count() == 0
    indexes = {index.name for table in ("executions", "replays") for index in database.proxy.obj.get_indexes(table)}
    assert {"executions_replayed", "replays_due", "replays_leased"} <= indexes


TOLD = ("held_until", "released_at", "after_id", "thread_id", "bundle_id", "pass_on_at", "passed_over")


def test_who_was_told_by_an_earlier_version_hears_of_the_end(store: str) -> None:
    incident = add_incident("orders")
    alerts.add_alert(f"{incident.id}.1.opened.hook", incident.id, "opened", "hook", "high", {}, utc_now())
    open_one = database.proxy.obj
    for name in ("carried", "thread", "bundle", "after", "held", "late"):
        open_one.execute_sql(f"DROP INDEX IF EXISTS alerts_{name}")
    for column in TOLD:
        open_one.execute_sql(f"ALTER TABLE alerts DROP COLUMN {column}")
    for table in ("threads", "bundles", "lines", "calls", "silences", "channels"):
        open_one.execute_sql(f"DROP TABLE {table}")
    open_one.execute_sql("DELETE FROM migratehistory WHERE name > '009'")
    database.open_database(store)
    [thread] = threads.find_threads(incident.id, 1)
    assert (thread.channel, thread.told_at is not None, thread.called) == ("hook", True, 0)
    row = AlertRow.get()
    assert row.released_at == row.created_at and row.passed_over is False and row.run_at is not None


def test_opening_it_again_changes_nothing(store: str) -> None:
    add_incident("orders")
    database.open_database(store)
    assert IncidentRow.select().count() == 1


def test_environments_that_were_stored_whole_lose_their_values(store: str) -> None:
    """What is run is read from the configuration, by what is left: it must be the same as what is stored today."""
    args = {"command": ["deploy"], "env": {"REGION": "not-a-secret-by-its-name", "EMPTY": ""}}
    incident = add_incident("orders")
    recovery = add_recovery(incident.id)
    action = asdict(PlannedAction("run_command", args))
    kept = {**recovery.playbook, "stages": [{"actions": [action], "check": None}], "because": "env of token abc"}
    RecoveryRow.update(playbook=kept).execute()
    step = steps.add_step(recovery, StepKind.ACTION, "run_command", "test", utc_now(), StepState.QUEUED, args=args)
    with_none = steps.add_step(recovery, StepKind.ACTION, "x", "test", utc_now(), StepState.QUEUED, args={"a": "env"})
    open_one = database.proxy.obj
    open_one.execute_sql("DELETE FROM migratehistory WHERE name > '022'")
    database.open_database(store)
    assert StepRow.get_by_id(step.id).args == redact(args) and "not-a-secret" not in str(redact(args))
    assert StepRow.get_by_id(with_none.id).args == {"a": "env"}
    playbook = RecoveryRow.get().playbook
    assert playbook["stages"][0]["actions"][0]["args"] == redact(args) and playbook["because"] == "env of token abc"
