"""`medic audit` on a stand-in in `make test`, and on a real n8n in `make test-n8n`.

Each planted fault is found, what it says it fixes is fixed, and a planted draft stays unpublished.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from click.testing import Result

from recovery.clock import utc_now
from recovery.store import audits, wirings
from recovery.store.database import close_database, open_database
from tests.n8n import install
from tests.n8n import workflows as w
from tests.n8n.connecting import Cli, export, settings, versions
from tests.n8n.real import RealN8n
from tests.n8n.world import World, nope
from tests.standins.n8n_client import wait_for

_made: list[str] = []


class Auditor:
    """`medic audit` of one n8n; `config` is what stands in medic.yaml beside the n8n."""

    def __init__(self, folder: Path, world: World):
        env = {"MEDIC_DATA_DIR": str(folder / "data"), "MEDIC_PUBLIC_URL": "http://127.0.0.1:9"}
        self.cli = Cli(folder, SimpleNamespace(env=env))  # type: ignore[arg-type]
        self.world, self.config = world, dict[str, Any]()
        self.use_key(world.n8n.api_key)

    def use_key(self, key: str) -> None:
        """Look with that API key from now on."""
        n8n = {"url": self.world.n8n.url, "api_key": key}
        self.cli.file.write_text(yaml.safe_dump({"n8n": n8n, **self.config}))

    def __call__(self, *words: str) -> Result:
        return self.cli("audit", *words)

    def findings(self, *words: str) -> list[dict[str, Any]]:
        """What it finds."""
        answer = self("--json", "--fail-on", "never", *words)
        assert answer.exit_code == 0, answer.output
        (told,) = json.loads(answer.stdout)
        return list(told["findings"])

    def of(self, workflow_id: str, *words: str) -> set[str]:
        """The rules that find something of a workflow; "" for n8n itself. What every workflow here lacks aside."""
        rules = {one["rule"] for one in self.findings(*words) if one["workflow_id"] == workflow_id}
        return rules - {"no_timeout"}

    def opened(self) -> None:
        """Look into its database."""
        open_database(f"sqlite:///{self.cli.data}/medic.db")


@pytest.fixture
def auditor(tmp_path: Path, world: World) -> Iterator[Auditor]:
    yield Auditor(tmp_path, world)
    close_database()
    while _made:
        remove(world, _made.pop())


def remove(world: World, workflow_id: str) -> None:
    """Take it away again: n8n says that it has unpublished one before it lets it be deleted."""
    world.n8n.api("POST", f"workflows/{workflow_id}/deactivate")
    wait_for("its end", lambda: world.n8n.api("DELETE", f"workflows/{workflow_id}").status_code in (200, 404), 60, 0.3)


@pytest.fixture
def handler(world: World) -> str:
    """An error workflow that tells n8n-medic."""
    made = world.n8n.errors_to(f"{world.told.url}/webhooks/n8n-error")
    _made.append(made)
    return made


def plant(world: World, name: str, *nodes: w.Node, handler: str = "", publish: bool = True, **more: Any) -> str:
    """A published workflow that begins with a webhook; its id."""
    path = f"audit-{name}-{time.monotonic_ns()}"
    body = w.workflow(f"Audit {name}", w.webhook(path), *(nodes or [w.no_op()]), error_workflow=handler, **more)
    made = world.n8n.create_workflow(body)
    if publish:
        world.n8n.activate(made, path)
    _made.append(made)
    return made


def path_of(world: World, workflow_id: str) -> str:
    return str(world.n8n.api("GET", f"workflows/{workflow_id}").json()["nodes"][0]["parameters"]["path"])


def test_a_workflow_that_is_wired_has_no_findings(world: World, auditor: Auditor, handler: str) -> None:
    assert auditor.of(plant(world, "wired", handler=handler)) == set()
    assert auditor.of(handler) == set()


def test_each_fault_of_the_wiring_is_found(world: World, auditor: Auditor) -> None:
    off = world.n8n.create_workflow(w.error_handler(f"{world.told.url}/webhooks/n8n-error"))
    mute = plant(world, "no trigger")
    gone = world.n8n.create_workflow(w.error_handler(world.told.url))
    _made.append(off)
    unwired = plant(world, "unwired")
    users = {one: plant(world, f"uses {one}", handler=one) for one in (off, mute, gone)}
    unsaved = plant(world, "unsaved", handler=world.handler, saveDataErrorExecution="none")
    assert world.n8n.api("DELETE", f"workflows/{gone}").ok
    found = auditor.findings()

    def of(workflow_id: str) -> set[str]:
        return {one["rule"] for one in found if one["workflow_id"] == workflow_id} - {"no_timeout"}

    assert of(unwired) == {"unwired"}
    assert of(users[off]) == {"error_workflow_unpublished"}
    assert of(users[mute]) == {"error_workflow_without_trigger"}
    assert of(users[gone]) == {"error_workflow_gone"}
    assert of(unsaved) == {"failures_not_saved"}


def test_n8n_agrees_that_such_error_workflows_hear_nothing(world: World, handler: str) -> None:
    """What the rules say of n8n is so: of three failures one is heard."""
    off = world.n8n.create_workflow(w.error_handler(f"{world.told.url}/webhooks/n8n-error"))
    _made.append(off)
    mute = plant(world, "no trigger")
    for one in (off, mute, handler):
        failing = plant(world, "fails", w.stop_and_error("out of orders"), handler=one)
        world.n8n.call(path_of(world, failing), {})
        world.n8n.ended(failing)
    heard = wait_for("the one that is heard", lambda: world.told.bodies("/webhooks/n8n-error"))
    time.sleep(1.0 if world.is_real else 0.2)
    assert len(world.told.bodies("/webhooks/n8n-error")) == len(heard) == 1


@pytest.mark.n8n
@pytest.mark.skipif(not install.N8N_VERSION.startswith("1."), reason="with MEDIC_TEST_N8N_VERSION=1.113.3")
def test_an_older_n8n_runs_unpublished_error_workflows_and_no_audit_says_otherwise(
    real_n8n: RealN8n, tmp_path: Path
) -> None:
    with World(real_n8n) as world:
        wired = plant(world, "older", w.stop_and_error("broken"), handler=world.handler)
        assert not world.n8n.api("GET", f"workflows/{world.handler}").json()["active"]
        world.n8n.call(path_of(world, wired), {})
        assert world.item_of(world.n8n.ended(wired)[0]["id"])["workflow"]["id"] == wired
        mute = plant(world, "older mute", handler=plant(world, "no trigger", publish=False))
        auditor = Auditor(tmp_path, world)
        assert (auditor.of(wired), auditor.of(mute)) == (set(), {"error_workflow_without_trigger"})
        while _made:
            remove(world, _made.pop())


def test_an_error_workflow_whose_calls_do_not_arrive_is_found(world: World, auditor: Auditor) -> None:
    broken = world.n8n.errors_to(f"{world.dead_url()}webhooks/n8n-error")
    _made.append(broken)
    failing = plant(world, "fails", w.stop_and_error("out of orders"), handler=broken)
    assert auditor.of(broken) == set(), "nobody knows yet"
    world.n8n.call(path_of(world, failing), {})
    world.n8n.ended(broken)
    assert auditor.of(broken) == {"error_workflow_fails"}


def test_an_unwired_workflow_is_wired_its_draft_stays_one_and_undo_takes_it_back(
    world: World, auditor: Auditor, handler: str
) -> None:
    bare, planted = plant(world, "bare"), plant(world, "with a draft", timezone="Asia/Seoul")
    gone = world.n8n.create_workflow(w.error_handler(world.told.url))
    orphan = plant(world, "orphan", handler=gone)
    assert world.n8n.api("DELETE", f"workflows/{gone}").ok
    draft = world.draft(planted, w.webhook("audit-draft-only"), w.stop_and_error("unfinished"))
    before, kept = export(world.n8n), versions(world.n8n, planted)
    shown = auditor("--fix", "--yes", "--fail-on", "never")
    assert shown.exit_code == 0, shown.output
    assert "And now:" in shown.output and "its draft stays unpublished" in shown.output
    found = {settings(world.n8n, one)["errorWorkflow"] for one in (bare, planted, orphan)}
    assert len(found) == 1 and gone not in found
    assert [auditor.of(one) for one in (bare, planted, orphan)] == [set()] * 3
    assert versions(world.n8n, planted) == kept and kept[1] != draft
    assert not world.n8n.webhook_answers("audit-draft-only")
    assert "n8n-medic: canary" not in {one["name"] for one in export(world.n8n).values()}
    again = auditor("--fix", "--yes", "--fail-on", "never")
    assert "would name" not in again.output, again.output

    undone = auditor.cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    after = export(world.n8n)
    assert all(after[one] == before[one] for one in (bare, planted, orphan))


def test_a_lost_webhook_is_found_and_the_live_version_published_again(
    world: World, auditor: Auditor, handler: str
) -> None:
    lost = plant(world, "lost", handler=handler)
    path = path_of(world, lost)
    world.draft(lost, w.webhook(f"{path}-draft"), w.stop_and_error("unfinished"))
    kept = versions(world.n8n, lost)
    world.n8n.lose_triggers(lost)
    assert auditor.of(lost) == {"webhook_dead"}
    shown = auditor("--fix", "--yes", "--fail-on", "never")
    assert f"would publish again Audit lost ({lost}, its live version {kept[1]})" in shown.output, shown.output
    assert world.n8n.webhook_answers(path) and not world.n8n.webhook_answers(f"{path}-draft")
    assert versions(world.n8n, lost) == kept and auditor.of(lost) == set()


def test_a_broken_credential_is_found_with_the_workflows_that_use_it(
    world: World, auditor: Auditor, handler: str
) -> None:
    data = {"server": world.service.url, "user": "octocat", "accessToken": "ghp_SECRET_of_the_test"}
    made = world.n8n.create_credential("Audited GitHub", "githubApi", data)
    used = {"githubApi": {"id": made, "name": "Audited GitHub"}}
    user = plant(world, "uses it", w.http("Fetch", world.url("/x"), credentials=used), handler=handler)
    assert auditor.of(user) == set()
    world.service.behave("/user", nope(401))
    told = [one for one in auditor.findings() if one["workflow_id"] == user and one["rule"] == "credential_broken"]
    assert told[0]["because"] == "its credential Audited GitHub (githubApi, Unauthorized) does not work"
    assert "SECRET" not in json.dumps(told)
    assert world.n8n.api("DELETE", f"credentials/{made}").ok


def test_a_key_that_ends_soon_and_one_that_has_ended(world: World, auditor: Auditor) -> None:
    now = int(utc_now().timestamp())
    auditor.use_key(world.n8n.new_key(world.n8n.all_scopes(), now + 5 * 86_400))
    told = [one for one in auditor.findings() if one["rule"] == "key_ends"]
    assert [(one["severity"], one["workflow_id"]) for one in told] == [("warn", "")]
    ends = now + 3 if world.is_real else now - 60  # n8n makes no key that has ended already
    auditor.use_key(world.n8n.new_key(world.n8n.all_scopes(), ends))
    time.sleep(max(0.0, ends + 1.5 - time.time()))
    answer = auditor()
    assert answer.exit_code == 1 and "score 0 of 100" in answer.output
    assert [(one["rule"], one["severity"]) for one in auditor.findings()] == [("key_ends", "bad")]


def test_pruning_that_is_too_early_for_a_replay_is_found(world: World, auditor: Auditor) -> None:
    called = plant(world, "busy")
    for _ in range(4):
        world.n8n.call(path_of(world, called), {})
    world.n8n.ended(called, 4)
    assert "prunes_early" not in auditor.of("")
    auditor.config = {"components": [{"name": "pruning", "check": {"kind": "n8n_pruning", "max_count": 3}}]}
    auditor.use_key(world.n8n.api_key)
    told = [one["because"] for one in auditor.findings() if one["rule"] == "prunes_early"]
    assert any(one.startswith("n8n keeps 3 executions, and saved ") for one in told), told


def test_what_repeats_an_effect_is_asked_for_a_tag(world: World, auditor: Auditor, handler: str) -> None:
    pays = plant(world, "pays", w.http("Pay", world.url("/pay"), "POST"), handler=handler)
    assert auditor.of(pays) == {"may_repeat"}
    world.n8n.tag(pays, "medic:retry-safe")
    assert auditor.of(pays) == set()


# -- the command


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Auditor]:
    """An n8n of its own, with nothing in it."""
    from tests.standins.n8n import StandInN8n

    with StandInN8n() as n8n, World(n8n) as world:
        n8n.api("POST", f"workflows/{world.handler}/deactivate")
        yield Auditor(tmp_path, world)
        _made.clear()


def test_the_exit_code_is_for_a_ci(alone: Auditor) -> None:
    assert alone().exit_code == 0 and "nothing found" in alone().output
    plant(alone.world, "bare", w.http("Pay", alone.world.url("/pay"), "POST"), executionTimeout=60)
    assert [alone("--fail-on", limit).exit_code for limit in ("bad", "warn", "info", "never")] == [1, 1, 1, 0]
    assert alone.world.n8n.errors_to(f"{alone.world.told.url}/webhooks/n8n-error")
    alone("--fix", "--yes")
    assert [alone("--fail-on", limit).exit_code for limit in ("bad", "warn", "info", "never")] == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--n8n", "other"], "there is none; there are default"),
        (["--fail-on", "loud"], "'loud' is not one of"),
        (["--yes"], "--yes is for --fix"),
        (["--fix"], "add --yes"),
        (["--fix", "--json"], "add --yes"),
    ],
)
def test_a_wrong_option_ends_with_2_and_says_what_is_right(alone: Auditor, words: list[str], told: str) -> None:
    answer = alone(*words)
    assert answer.exit_code == 2 and told in answer.output


def test_a_configuration_that_cannot_be_read_ends_with_2(alone: Auditor) -> None:
    alone.cli.file.write_text("audit: {often: 7d}\n")
    answer = alone()
    assert answer.exit_code == 2 and "often" in answer.output
    alone.cli.file.write_text("n8n: []\n")
    assert alone().exit_code == 2 and "medic connect" in alone().output


def test_the_rules_are_printed_without_asking_anybody(tmp_path: Path) -> None:
    cli = Cli(tmp_path, SimpleNamespace(env={"MEDIC_DATA_DIR": str(tmp_path / "data")}))  # type: ignore[arg-type]
    assert "error_workflow_without_trigger" in cli("audit", "--rules").output
    rules = json.loads(cli("audit", "--rules", "--json").output)
    assert {one["severity"] for one in rules} == {"bad", "warn", "info"}


def test_without_fix_nothing_is_changed_and_no_database_is_made(alone: Auditor) -> None:
    bare = plant(alone.world, "bare")
    handler = alone.world.n8n.errors_to(f"{alone.world.told.url}/webhooks/n8n-error")
    before = export(alone.world.n8n)
    told = alone()
    assert told.exit_code == 1 and "--fix sets the error" in told.output
    assert export(alone.world.n8n) == before and not alone.cli.data.exists()
    assert handler and "errorWorkflow" not in settings(alone.world.n8n, bare)


def test_each_fix_is_asked_and_a_no_changes_nothing(alone: Auditor, monkeypatch: pytest.MonkeyPatch) -> None:
    no, yes = plant(alone.world, "a no"), plant(alone.world, "a yes")
    handler = alone.world.n8n.errors_to(f"{alone.world.told.url}/webhooks/n8n-error")
    monkeypatch.setattr("recovery.cli.auditing._is_terminal", lambda: True)
    shown = alone.cli("audit", "--fix", given="n\ny\n")
    assert shown.output.count("Do it?") == 2 and shown.exit_code == 1
    assert "errorWorkflow" not in settings(alone.world.n8n, no)
    assert settings(alone.world.n8n, yes)["errorWorkflow"] == handler


def test_an_n8n_that_publishes_drafts_is_not_fixed_where_there_is_one(
    alone: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted, bare = plant(alone.world, "with a draft"), plant(alone.world, "bare")
    alone.world.draft(planted, w.webhook("never-live"), w.stop_and_error("unfinished"))
    handler = alone.world.n8n.errors_to(f"{alone.world.told.url}/webhooks/n8n-error")
    engine = alone.world.n8n.engine  # type: ignore[union-attr]
    change = engine.change_workflow
    monkeypatch.setattr(engine, "change_workflow", lambda one, body, publish=True: change(one, body, True))
    kept = versions(alone.world.n8n, planted)
    shown = alone("--fix", "--yes")
    assert "was not seen to leave drafts unpublished" in shown.output
    assert versions(alone.world.n8n, planted) == kept and "errorWorkflow" not in settings(alone.world.n8n, planted)
    assert settings(alone.world.n8n, bare)["errorWorkflow"] == handler


def test_what_was_fixed_is_written_down_and_the_audit_kept_for_the_page(alone: Auditor) -> None:
    plant(alone.world, "bare")
    alone.world.n8n.errors_to(f"{alone.world.told.url}/webhooks/n8n-error")
    alone("--fix", "--yes")
    alone.opened()
    assert [(one.change.kind, one.done) for one in wirings.find_wired("default")] == [("error_workflow", True)]
    [kept] = audits.find_audits()
    assert kept.score == 100 and {one["rule"] for one in kept.findings} <= {"no_timeout"}


def test_several_n8n_are_told_each_by_its_name(alone: Auditor) -> None:
    urls = {"one": alone.world.n8n.url, "two": alone.world.n8n.url.replace("127.0.0.1", "localhost")}
    n8n = [{"name": name, "url": url, "api_key": alone.world.n8n.api_key} for name, url in urls.items()]
    n8n.append({"name": "away", "url": alone.world.dead_url(), "api_key": "x"})
    alone.cli.file.write_text(yaml.safe_dump({"n8n": n8n}))
    told = alone()
    assert told.exit_code == 1 and all(f"n8n {name}: score" in told.output for name in ("one", "two", "away"))
    some = json.loads(alone("--json", "--n8n", "two", "--n8n", "one").output)
    assert [one["n8n"] for one in some] == ["two", "one"]


def test_hostile_names_are_shown_as_they_are(alone: Auditor) -> None:
    body = w.workflow("[bold]x[/] \x1b[31m\u202e<b>", w.webhook("evil"))
    alone.world.n8n.activate(alone.world.n8n.create_workflow(body))
    shown = "".join(alone().output.split())
    assert "[bold]x[/]" in shown and "\x1b" not in shown and "\u202e" not in shown
