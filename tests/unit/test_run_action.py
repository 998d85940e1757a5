"""`medic run-action` without a worker: what is asked for, and what is said of it."""

from pathlib import Path

import pytest

from recovery.cli import acting
from recovery.clock import utc_now
from recovery.store import database, orders, steps
from recovery.store.tables import OrderRow, WorkerRow
from tests.unit.test_cli import Run, run  # noqa: F401  the fixture

FILE = """
components:
  - name: orders
    check: {kind: tcp, host: 127.0.0.1, port: 9}
    restart: ["systemctl", "restart", "orders"]
    actions:
      clear: {kind: clear_cache, cache: redis, host: 127.0.0.1, port: 9, pattern: "cache:*", password: s3cret-s3cret}
  - {name: mail, actions: {login: {kind: run_command, command: ["login", "--password=s3cret-s3cret"]}}}
playbooks:
  - name: night
    match: {component: orders}
    stages: [{actions: [{kind: run_command, command: ["restart-slowly"]}]}]
"""


def add_worker(tmp_path: Path) -> None:
    """A worker that has just beaten, and its database."""
    (tmp_path / "data").mkdir()
    database.open_database(f"sqlite:///{tmp_path}/data/medic.db", migrate=True)
    WorkerRow.create(name="w", started_at=utc_now(), beat_at=utc_now())


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["ordrs", "restart"], "no component named 'ordrs' is configured; there are: orders, mail"),
        (["orders"], "Say which action of orders:\n  restart: would run `systemctl restart orders`"),
        (["orders"], "run_command: would run `restart-slowly`"),
        (
            ["orders", "restrat"],
            "no action 'restrat' for orders (did you mean \"restart\"?); configured for it: restart",
        ),
        (["orders", "restart", "--with", "timeot=5s"], "timeot: there is no such key; the keys are command, shell"),
        (["orders", "restart", "--with", "timeout=soon"], "timeout: "),
        (["orders", "restart", "--with", "nothing"], "give KEY=VALUE"),
        (["orders", "restart", "--with", "{"], "must be a JSON object"),
        (["mail", "run_command"], "command: Field required"),
        (["orders", "restart", "--with", '{"command": [], "shell": "' + "x" * 9000 + '"}'], "command.list[str]: "),
    ],
)
def test_what_is_not_understood_is_exit_code_2_and_says_how_it_is_put_right(
    run: Run,  # noqa: F811
    words: list[str],
    problem: str,
) -> None:
    shown = run("run-action", *words, file=FILE)
    assert shown.exit_code == 2 and problem in shown.output, shown.output
    assert len(shown.output) < 3000


def test_what_it_would_do_is_told_without_secrets(run: Run) -> None:  # noqa: F811
    for words in (["orders", "clear"], ["mail", "login"], ["mail", "login", "--with", "timeout=5s"]):
        shown = run("run-action", *words, "--dry-run", file=FILE)
        assert shown.exit_code == 0 and "would" in shown.output and "s3cret" not in shown.output, shown.output


def test_a_playbooks_own_action_is_found_by_its_name_too(run: Run) -> None:  # noqa: F811
    shown = run("run-action", "orders", "run_command", "--dry-run", file=FILE)
    assert "orders: would run `restart-slowly`, for at most 60 s\n" in shown.output


def test_no_history_or_no_living_worker_is_told_with_how_to_start_one(run: Run, tmp_path: Path) -> None:  # noqa: F811
    shown = run("run-action", "orders", "restart", "--yes", file=FILE)
    assert shown.exit_code == 1 and "medic serve" in shown.output
    add_worker(tmp_path)
    WorkerRow.update(beat_at=0).execute()
    database.close_database()
    shown = run("run-action", "orders", "restart", "--yes", file=FILE)
    assert shown.exit_code == 1 and "Only a worker runs actions, and none lives" in shown.output
    assert "Start it with `medic serve`" in shown.output


def test_a_no_orders_nothing_and_a_secret_of_ones_own_is_refused(run: Run, tmp_path: Path) -> None:  # noqa: F811
    add_worker(tmp_path)
    shown = run("run-action", "orders", "restart", file=FILE)
    assert shown.exit_code == 1 and "Have the worker do this now?" in shown.output
    own = '{"command": ["restart"], "env": {"API_TOKEN": "s3cret-s3cret"}}'
    shown = run("run-action", "orders", "restart", "--yes", "--with", own, file=FILE)
    assert shown.exit_code == 2 and "env may hold a secret" in shown.output and "s3cret" not in shown.output
    assert OrderRow.select().count() == 0


def test_a_refusal_and_an_end_are_told_with_their_exit_codes(
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_worker(tmp_path)

    def wait(*_: object) -> bool:
        order = OrderRow.select().order_by(OrderRow.id.desc()).get()
        orders.finish_order(order, "refused", "another one is under way", utc_now())
        return False

    monkeypatch.setattr(acting.threading.Event, "wait", wait)
    shown = run("run-action", "orders", "restart", "--yes", "--note", "why", file=FILE)
    assert shown.exit_code == 1 and "Refused: another one is under way" in shown.output
    order = OrderRow.get()
    assert order.note == "why" and order.who.endswith("(command line)") and steps.find_steps_by_hand(order.id) == []
