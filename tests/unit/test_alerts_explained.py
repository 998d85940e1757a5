"""`medic alerts explain` and `medic silence`, as they are typed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recovery.cli import main
from recovery.model import IncidentState
from recovery.store import database
from recovery.store.tables import SilenceRow
from tests.store.rows import add_incident

FILE = """
components: [{name: orders, severity: high, labels: {team: shop}}]
alerts:
  timezone: Asia/Seoul
  channels:
    - {name: hook, kind: webhook, url: "https://x.example.com/s3cret"}
    - {name: kim, kind: webhook, url: "https://x.example.com/s3cret", severities: [critical], budget: 6/h}
  people: [{name: kim, channels: [kim]}]
  rotations: [{name: ops, people: [kim], starts: 2026-01-05}]
  escalation: [{after: 10m, rotation: ops}]
  quiet_hours: [{from: "22:00", until: "07:00"}]
"""
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "medic.yaml"
    file.write_text(FILE)
    url = f"sqlite:///{tmp_path}/medic.db"
    return lambda *words: CliRunner().invoke(
        main, list(words), env={"MEDIC_CONFIG": str(file), "MEDIC_DATABASE_URL": url}, prog_name="medic"
    )


@pytest.fixture
def history(run: Run, tmp_path: Path) -> None:
    database.open_database(f"sqlite:///{tmp_path}/medic.db")


def test_who_is_told_is_explained_for_any_moment(run: Run) -> None:
    told = run("alerts", "explain", "orders", "--at", "2026-11-29T23:30:00+09:00").output
    assert "orders, server_unresponsive, high, at 2026-11-29 23:30 (Asia/Seoul):" in told
    assert "hook: at 2026-11-30 07:00:00" in told and "quiet hours until" in told
    assert "when it needs a person: the usual route: a person is needed\n    hook: at once" in told
    assert "unanswered after 10m, step 1: kim (on call in ops)" in told
    assert "kim: at most 6 messages in 1h, then one with calls for a person each 5m; more than 10 new in 1m" in told
    critical = run("alerts", "explain", "orders", "--severity", "critical").output
    assert "hook: at once" in critical and "kim: at once" in critical and "s3cret" not in critical


def test_calls_that_reach_nobody_or_go_where_nobody_said_are_worth_a_look(run: Run, tmp_path: Path) -> None:
    hook = '    - {name: hook, kind: webhook, url: "https://x.example.com/s3cret"}'
    (tmp_path / "medic.yaml").write_text(
        FILE.replace(hook, hook.replace("}", ", severities: [critical, high]}"))
        + "  routes: [{name: toys, match: {component: [toy]}, channels: []}]\n"
    )
    told = run("check-config").output
    assert "No channel takes severity low: of it only what needs a person is told, over hook." in told
    assert "No channel takes severity high" not in told
    assert "The route 'toys' has no channels: where a person is needed nobody is called, until a step" in told
    (tmp_path / "medic.yaml").write_text(FILE)
    assert "takes severity" not in run("check-config").output


def test_what_was_told_of_an_incident_is_shown(run: Run, history: None) -> None:
    row = add_incident("orders", state=IncidentState.NEEDS_HUMAN)
    assert f"incident {row.id} is needs_human" in run("alerts", "explain", str(row.id)).output


@pytest.mark.parametrize(
    "words", [("nothing",), ("999999",), ("orders", "--at", "soon"), ("orders", "--severity", "bad")]
)
def test_what_cannot_be_explained_is_said(run: Run, history: None, words: tuple[str, ...]) -> None:
    ended = run("alerts", "explain", *words)
    assert ended.exit_code == 2 and "Error" in ended.output


def test_a_silence_is_begun_listed_and_ended_by_hand(run: Run, history: None) -> None:
    assert "There is none." in run("silence", "list").output
    begun = run("silence", "add", "--component", "orders", "--label", "team=shop", "--for", "2h", "--note", "moving")
    assert begun.exit_code == 0 and "silence 1 until" in begun.output
    row = SilenceRow.get()
    assert (row.matcher["component"], row.matcher["label"], row.note) == (["orders"], {"team": "shop"}, "moving")
    listed = run("silence", "list").output
    assert "component orders; team=shop until" in listed and row.who in listed
    assert run("silence", "end", "1").exit_code == 0
    assert run("silence", "end", "1").exit_code == 1 and "There is none." in run("silence", "list").output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--for", "2h"], "say what to silence"),
        (["--component", "a"], "--for"),
        (["--component", "a", "--for", "0s"], "more than nothing"),
        (["--component", "a", "--for", "9999d"], "a year at most"),
        (["--component", "a", "--for", "soon"], "not a duration"),
        (["--label", "team", "--for", "1h"], "NAME=VALUE"),
        (["--severity", "awful", "--for", "1h"], "awful"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(run: Run, history: None, words: list[str], why: str) -> None:
    ended = run("silence", "add", *words)
    assert ended.exit_code == 2 and why in ended.output
    assert SilenceRow.select().count() == 0


def test_without_a_history_there_is_nothing_to_silence(run: Run) -> None:
    assert "There is no history yet" in run("silence", "add", "--component", "a", "--for", "1h").output
