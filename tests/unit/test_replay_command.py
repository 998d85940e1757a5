"""What `medic replay` takes, and what it says to nonsense; `tests/story/test_replay_command.py` has it at work."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from recovery.cli import main
from recovery.cli import replay as replay_module
from recovery.cli.moments import read_certain_moment
from recovery.clock import utc_now
from recovery.model import ReplayState
from recovery.store import database, replays, sites
from recovery.store.tables import ReplayRow

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
N8N = 'n8n: {url: "http://127.0.0.1:1", api_key: key}\n'
TWO = """n8n:
  - {name: one, url: "http://127.0.0.1:1", api_key: key}
  - {name: two, url: "http://127.0.0.1:2", api_key: key}
"""
Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("2h ago", NOW - timedelta(hours=2)),
        (" 1h30m ago ", NOW - timedelta(minutes=90)),
        ("now", NOW),
        ("0s", NOW),
        ("2026-01-30", datetime(2026, 1, 30, tzinfo=UTC)),
        ("20260130", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-31T08:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31 08:00+09:00", datetime(2026, 1, 30, 23, tzinfo=UTC)),
    ],
)
def test_moments_are_read_as_people_write_them(text: str, moment: datetime) -> None:
    assert read_certain_moment(text, NOW) == moment


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-01-31T08:00", "names no time zone: write 2026-01-31T08:00Z for UTC, or 2026-01-31T08:00+"),
        ("2026-01-31 08:00:30", "write 2026-01-31T08:00:30Z"),
        ("0001-01-01T00:00", "names no time zone"),
        ("90", "has no unit: write 90m or 90h"),
        ("yesterday", "is not a time"),
        ("ago", "is not a time"),
        ("", "is not a time"),
        ("-2h", "is not a time"),
        ("999999999999d", "is not a time"),
        ("2026-02-30", "is not a time"),
    ],
)
def test_what_is_no_certain_moment_is_refused_with_how_to_write_it(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=".") as refused:
        read_certain_moment(text, NOW)
    assert says in str(refused.value)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs `medic replay` in a folder of its own; with `worker` beside a database that a worker keeps."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MEDIC_")]:
        monkeypatch.delenv(name)

    def go(*words: str, file: str = N8N, worker: bool = True) -> Result:
        (tmp_path / "medic.yaml").write_text(file)
        if worker:
            database.open_database(f"sqlite:///{tmp_path}/data/medic.db")
            with database.write():
                sites.beat("worker", utc_now())
        return CliRunner().invoke(main, ["replay", *words], prog_name="medic")

    yield go
    database.close_database()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say one of --workflow, --tag, --all, --follow and --cancel"),
        (("--all", "--workflow", "x", "--since", "2h"), "not 2 of them"),
        (("--all", "--follow", "3", "--since", "2h"), "not 2 of them"),
        (("--all",), "--since is missing"),
        (("--all", "--since", "2026-01-31T08:00"), "names no time zone"),
        (("--all", "--since", "1h", "--until", "2h"), "must be before --until"),
        (("--all", "--since", "9999-01-01"), "must be before --until"),
        (("--all", "--since", "2h", "--rate", "10/s"), "--rate is more than replay.rate allows (5/s)"),
        (("--all", "--since", "2h", "--rate", "fast"), "a rate"),
        (("--all", "--since", "2h", "--rate", "0/s"), "a rate"),
        (("--all", "--since", "2h", "--concurrency", "9"), "more than replay.per_component allows (4)"),
        (("--all", "--since", "2h", "--concurrency", "0"), "--concurrency"),
        (("--all", "--since", "2h", "--limit", "-1"), "--limit"),
        (("--all", "--since", "2h", "--ambiguous", "maybe"), "--ambiguous"),
        (
            ("--all", "--since", "2h", "--n8n", "other"),
            "no n8n named 'other' is configured with an API key; there is: default",
        ),
        (("--all", "--since", "2h"), "nobody can be asked here: add --yes, or --dry-run"),
        (("--follow", "x"), "--follow"),
    ],
)
def test_what_makes_no_sense_is_told_and_orders_nothing(run: Run, words: tuple[str, ...], says: str) -> None:
    told = run(*words)
    assert told.exit_code == 2 and says in " ".join(told.output.split()), told.output
    assert ReplayRow.select().count() == 0


def test_which_n8n_is_asked_where_there_are_two_and_none_is_told(run: Run) -> None:
    told = run("--all", "--since", "2h", "--yes", file=TWO)
    assert told.exit_code == 2 and "say which n8n with --n8n: one, two" in told.output
    told = run("--all", "--since", "2h", "--yes", file="{}\n")
    assert told.exit_code == 2 and "no n8n with an API key is configured" in told.output


def test_without_a_history_or_a_worker_it_says_what_to_start(run: Run) -> None:
    told = run("--all", "--since", "2h", "--yes", worker=False)
    assert told.exit_code == 1 and "Start n8n-medic first" in told.output
    database.open_database(f"sqlite:///{Path.cwd()}/data/medic.db")
    told = run("--all", "--since", "2h", "--yes", worker=False)
    assert told.exit_code == 1 and "worker does not run" in told.output and ReplayRow.select().count() == 0


@pytest.mark.parametrize("word", ["--follow", "--cancel"])
def test_a_replay_that_nobody_knows(run: Run, word: str) -> None:
    told = run(word, "7")
    assert told.exit_code == 1 and "there is no replay 7" in told.output


COUNTS = {
    "total": {"failed": 4, "replay": 2, "ambiguous": 1, "tagged": 1},
    "workflows": [{"id": "w1", "name": "[bold]Orders", "failed": 4, "replay": 2, "ambiguous": 1, "tagged": 1}],
    "why": [{"lot": "ambiguous", "because": "its effect may have happened", "count": 1}],
    "listed": [{"execution_id": "9", "workflow_id": "w1", "workflow": "Orders", "because": "its effect may have"}],
}


@pytest.fixture
def counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker that has counted as soon as it is asked, and then ends what a person said yes to."""
    monkeypatch.setattr(replay_module, "can_ask", lambda: True)
    monkeypatch.setattr("recovery.cli.watching.can_ask", lambda: True)
    plain_add, plain_yes = replays.add_replay, replays.say_yes

    def add(*args: Any, **order: Any) -> ReplayRow:
        row = plain_add(*args, **order)
        state = ReplayState.RUNNING if row.yes_at else ReplayState.ASKING
        replays.set_replay(row, "counted", utc_now(), state=state, counts=COUNTS)
        return row

    def yes(number: int, now: datetime) -> bool:
        taken = plain_yes(number, now)
        row = replays.find_replay(number)
        assert row
        replays.end_replay(row, ReplayState.DONE, "2 recovered", now)
        return taken

    monkeypatch.setattr(replays, "add_replay", add)
    monkeypatch.setattr(replays, "say_yes", yes)
    return lambda answer: CliRunner().invoke(main, ["replay", "--all", "--since", "2h"], input=answer)


def test_it_counts_first_and_begins_only_after_a_yes(run: Run, counted: Any) -> None:
    run("--all", file=N8N)
    told = counted("y\n")
    assert told.exit_code == 0, told.output
    assert "Run 2 again? [y/N]" in told.output and "[bold]Orders" in told.output
    assert "its effect may have happened" in told.output and "Replay 1 is done: 2 recovered" in told.output
    assert "--ambiguous retry" in told.output
    assert ReplayRow.get().yes_at and ReplayRow.get().who


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("\n", 1), ("", 130)])
def test_a_no_or_none_at_all_cancels_it(run: Run, counted: Any, answer: str, code: int) -> None:
    run("--all", file=N8N)
    told = counted(answer)
    assert told.exit_code == code and "Nothing was run again." in told.output
    assert ReplayRow.get().cancel_at and not ReplayRow.get().yes_at


def test_one_that_waits_for_a_yes_is_followed_with_it_and_never_cancelled_by_looking(
    run: Run, counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("--all", file=N8N)
    now = utc_now()
    replays.add_replay("kim", now, False, site="default", since=now - timedelta(hours=1), until=now)
    monkeypatch.setattr("recovery.cli.watching.can_ask", lambda: False)
    told = run("--follow", "1")
    assert told.exit_code == 1 and "replay --follow 1 --yes" in told.output and ReplayRow.get().cancel_at is None
    told = run("--follow", "1", "--yes")
    assert told.exit_code == 0 and "Replay 1 is done: 2 recovered" in told.output


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("", 130)])
def test_who_follows_another_persons_order_takes_nothing_back(run: Run, counted: Any, answer: str, code: int) -> None:
    run("--all", file=N8N)
    now = utc_now()
    replays.add_replay("kim", now, False, site="default", since=now - timedelta(hours=1), until=now)
    told = CliRunner().invoke(main, ["replay", "--follow", "1"], input=answer)
    assert told.exit_code == code and ReplayRow.get().cancel_at is None
    assert "Replay 1 of kim is left as it is: nothing is run again without a yes." in told.output
    assert "replay --cancel 1" in told.output


@pytest.mark.parametrize(("words", "taken_back"), [(["--follow", "1"], False), (["--all", "--since", "2h"], True)])
def test_who_stops_watching_while_it_is_counted_takes_back_an_order_of_their_own_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: list[str], taken_back: bool
) -> None:
    run("--all", file=N8N)
    monkeypatch.setattr(replay_module, "can_ask", lambda: True)
    now = utc_now()
    if words[0] == "--follow":
        replays.add_replay("kim", now, False, site="default", since=now - timedelta(hours=1), until=now)

    def interrupt(self: Any, *_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("recovery.cli.watching.Watch._draw", interrupt)
    told = CliRunner().invoke(main, ["replay", *words])
    assert told.exit_code == 130 and bool(ReplayRow.get().cancel_at) is taken_back, told.output
    assert ("Nothing was run again." in told.output) is taken_back


def test_one_that_was_stopped_before_it_was_counted_never_says_that_nothing_failed(run: Run) -> None:
    run("--all", file=N8N)
    row = replays.add_replay("kim", NOW, False, site="default", since=NOW - timedelta(hours=1), until=NOW)
    replays.end_replay(row, ReplayState.STOPPED, "the worker knows no n8n named 'default'", NOW)
    told = run("--follow", str(row.id))
    assert told.exit_code == 1 and "is stopped: the worker knows no n8n" in told.output
    assert "Nothing failed" not in told.output


def test_two_workflows_of_one_name_are_told_apart_by_their_ids(run: Run) -> None:
    run("--all", file=N8N)
    rows = [{"id": name, "name": "Orders", "failed": 1, "replay": 1} for name in ("w1", "w2")]
    found = {"total": {"failed": 2, "replay": 2}, "workflows": rows, "why": [], "listed": []}
    row = replays.add_replay("kim", NOW, True, site="default", since=NOW - timedelta(hours=1), until=NOW)
    replays.set_replay(row, "2 recovered", NOW, counts=found)
    replays.end_replay(row, ReplayState.DONE, "2 recovered", NOW)
    told = run("--follow", str(row.id)).output
    assert "Orders (w1)" in told and "Orders (w2)" in told
