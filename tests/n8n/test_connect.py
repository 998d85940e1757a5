"""`medic connect` on a stand-in in `make test`, and on a real n8n in `make test-n8n`."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from click.testing import Result

from recovery.cli import connect_run
from tests.n8n import install
from tests.n8n import workflows as w
from tests.n8n.connecting import CONFIG, SMALL, Cli, credentials, export, settings, tags, versions
from tests.n8n.real import free_port
from tests.n8n.world import World
from tests.standins.n8n import StandInN8n
from tests.standins.n8n_client import wait_for
from tests.standins.service import Answer, Service
from tests.story.medic import TOKENS, Medic

TAGS = {"medic:no-retry", "medic:retry-safe", "medic:retry-from-start", "medic:critical", "medic:ignore"}
HANDLER = "n8n-medic: error handler"


@pytest.fixture(scope="module")
def medic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Medic]:
    """An n8n-medic that runs, and asks no n8n anything."""
    with Medic(tmp_path_factory.mktemp("medic"), CONFIG) as found:
        yield found


@pytest.fixture
def cli(tmp_path: Path, medic: Medic, world: World) -> Iterator[Cli]:
    """The command line; whatever a test has connected is taken back."""
    found = Cli(tmp_path, medic)
    found.files = "" if world.is_real else SMALL
    yield found
    for name in ("default", "second"):
        found("connect", "--undo", "--yes", "--name", name, "--url", world.n8n.url, "--api-key", world.n8n.api_key)


def handler_id(world: World) -> str:
    """The id of the error handler in n8n; "" where there is none."""
    rows = world.n8n.api("GET", "workflows", limit=250).json()["data"]
    return next((str(one["id"]) for one in rows if one["name"] == HANDLER), "")


def bare(world: World, name: str, *nodes: w.Node, publish: bool = True, **more: Any) -> str:
    """A workflow without an error workflow; its id."""
    path = f"bare-{name.lower().replace(' ', '-')}-{os.urandom(3).hex()}"
    made = world.n8n.create_workflow(w.workflow(name, w.webhook(path), *nodes, **more))
    if publish:
        world.n8n.activate(made, path)
    return made


def test_the_first_connect_wires_all_and_the_second_changes_nothing(world: World, cli: Cli, medic: Medic) -> None:
    live, off = bare(world, "Bare live", w.no_op()), bare(world, "Bare off", w.no_op(), publish=False)
    named, _ = world.publish(w.no_op(), name="Named")
    before, tagged = export(world.n8n), set(tags(world.n8n))
    shown = cli.connect(world.n8n)
    assert shown.exit_code == 0, shown.output
    assert "the loop is closed" in shown.output
    handler = handler_id(world)
    assert {settings(world.n8n, one)["errorWorkflow"] for one in (live, off)} == {handler}
    assert settings(world.n8n, named)["errorWorkflow"] == world.handler, "one that is there is kept"
    assert versions(world.n8n, off)[0] is False, "what is not published stays so"
    assert set(tags(world.n8n)) >= TAGS
    assert "n8n-medic: canary" not in {one["name"] for one in export(world.n8n).values()}
    assert medic.incidents() == [], "the canary opens no incident"

    wired = export(world.n8n)
    again = cli("connect", "--yes")
    assert again.exit_code == 0 and "Nothing to change" in again.output
    assert export(world.n8n) == wired

    undone = cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    assert export(world.n8n) == before
    assert set(tags(world.n8n)) == tagged and "n8n-medic token" not in credentials(world.n8n)
    assert "Nothing that was changed" in cli("connect", "--undo", "--yes").output


def test_a_failure_of_a_wired_workflow_arrives_with_its_token(world: World, cli: Cli, medic: Medic) -> None:
    failing = bare(world, "Wired and failing", w.stop_and_error("out of orders"))
    assert cli.connect(world.n8n, "--only", failing).exit_code == 0
    path = world.n8n.api("GET", f"workflows/{failing}").json()["nodes"][0]["parameters"]["path"]
    world.n8n.call(path, {})
    heard = wait_for("the incident", lambda: medic.incidents(component="Wired and failing"), 20)
    assert heard[0]["failure_type"] == "workflow_failed"
    medic.order(heard[0]["id"], "resolve")
    wait_for("its end", lambda: medic.incident(heard[0]["id"])["state"] == "resolved", 20)


def test_a_dry_run_shows_everything_and_changes_nothing(world: World, cli: Cli) -> None:
    bare(world, "Only shown", w.no_op())
    before, kept = export(world.n8n), credentials(world.n8n)
    shown = cli.connect(world.n8n, "--dry-run")
    assert shown.exit_code == 0
    assert "+ credential n8n-medic " in shown.output and "error workflow of Only shown: it has none" in shown.output
    assert "+  api_key_file: " in shown.output and world.n8n.api_key not in shown.output
    assert (export(world.n8n), credentials(world.n8n)) == (before, kept)
    assert not cli.file.exists()


def test_a_planted_draft_stays_unpublished_through_connect_and_undo(world: World, cli: Cli) -> None:
    planted = bare(world, "With a draft", w.no_op("Live"), timezone="Asia/Seoul")
    draft = world.draft(planted, w.webhook("draft-only"), w.stop_and_error("unfinished"))
    before, kept = export(world.n8n)[planted], versions(world.n8n, planted)
    shown = cli.connect(world.n8n, "--only", planted)
    assert shown.exit_code == 0 and "its draft stays unpublished" in shown.output
    assert settings(world.n8n, planted)["errorWorkflow"] == handler_id(world)
    assert versions(world.n8n, planted) == kept and kept[1] != draft
    assert not world.n8n.webhook_answers("draft-only")
    undone = cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    assert versions(world.n8n, planted) == kept
    assert export(world.n8n)[planted] == before


def test_unusual_settings_are_kept_through_connect_and_undo(world: World, cli: Cli) -> None:
    odd = {
        "saveExecutionProgress": True,
        "saveManualExecutions": False,
        "saveDataErrorExecution": "all",
        "saveDataSuccessExecution": "none",
        "executionTimeout": 3600,
        "timezone": "Asia/Seoul",
        "callerPolicy": "workflowsFromAList",
        "callerIds": "a,b",
        "timeSavedPerExecution": 5,
    }
    unusual = bare(world, "Unusual", w.no_op(), **odd)
    before = export(world.n8n)[unusual]
    assert cli.connect(world.n8n, "--only", unusual).exit_code == 0
    assert settings(world.n8n, unusual) == before["settings"] | {"errorWorkflow": handler_id(world)}
    undone = cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    assert export(world.n8n)[unusual] == before


def test_an_error_workflow_is_replaced_only_where_asked_and_put_back(world: World, cli: Cli) -> None:
    named, _ = world.publish(w.no_op(), name="Has its own")
    before = export(world.n8n)[named]
    shown = cli.connect(world.n8n, "--only", named)
    assert "it has an error workflow already: Tell the companion" in shown.output
    assert export(world.n8n)[named] == before
    shown = cli("connect", "--yes", "--only", named, "--replace")
    assert "instead of Tell the companion" in shown.output
    assert settings(world.n8n, named)["errorWorkflow"] == handler_id(world)
    undone = cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    assert export(world.n8n)[named] == before


def test_one_that_names_itself_handles_its_errors_or_is_tagged_is_left(world: World, cli: Cli) -> None:
    own = bare(world, "Handles itself", w.no_op(), w.node("On error", "errorTrigger", 1, {}))
    tagged = bare(world, "Ignored", w.no_op())
    world.n8n.tag(tagged, "medic:ignore")
    before = export(world.n8n)
    shown = cli.connect(world.n8n, "--only", own, "--only", tagged)
    assert "it has an Error Trigger of its own" in shown.output and "tagged medic:ignore" in shown.output
    after = export(world.n8n)
    assert {one: after[one] for one in (own, tagged)} == {one: before[one] for one in (own, tagged)}
    kept = next(one for one in world.n8n.api("GET", "tags").json()["data"] if one["name"] == "medic:ignore")
    undone = cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    assert "medic:ignore" in tags(world.n8n), "it was there before"
    world.n8n.api("DELETE", f"tags/{kept['id']}")


def test_only_what_carries_a_tag_is_wired(world: World, cli: Cli) -> None:
    chosen, other = bare(world, "Chosen", w.no_op()), bare(world, "Other", w.no_op())
    world.n8n.tag(chosen, "production")
    assert cli.connect(world.n8n, "--tag", "production").exit_code == 0
    assert "errorWorkflow" in settings(world.n8n, chosen) and "errorWorkflow" not in settings(world.n8n, other)


def test_what_n8n_would_rewrite_is_left_alone_and_named(world: World, cli: Cli) -> None:
    key = world.n8n.create_credential("Old name", "httpHeaderAuth", {"name": "X", "value": "y"})
    used = {"httpHeaderAuth": {"id": key, "name": "Old name"}}
    renamed = bare(world, "Renamed credential", w.http("Call", world.url("/x"), credentials=used))
    assert world.n8n.api("PATCH", f"credentials/{key}", {"name": "New name"}).ok
    before, kept = export(world.n8n)[renamed], versions(world.n8n, renamed)
    shown = cli.connect(world.n8n, "--only", renamed)
    assert "! Renamed credential: n8n would change its node 'Call'" in shown.output
    assert (export(world.n8n)[renamed], versions(world.n8n, renamed)) == (before, kept)


def test_a_workflow_that_is_deleted_between_connect_and_undo_does_no_harm(world: World, cli: Cli) -> None:
    gone, stays = bare(world, "Will go", w.no_op(), publish=False), bare(world, "Will stay", w.no_op())
    assert cli.connect(world.n8n, "--only", gone, "--only", stays).exit_code == 0
    assert world.n8n.api("DELETE", f"workflows/{gone}").ok
    undone = cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    assert "errorWorkflow" not in settings(world.n8n, stays)


def test_what_people_have_changed_since_is_kept(world: World, cli: Cli) -> None:
    mine = bare(world, "Changed since", w.no_op())
    assert cli.connect(world.n8n, "--only", mine).exit_code == 0
    row = world.n8n.api("GET", f"workflows/{mine}").json()
    body = {key: row[key] for key in ("name", "nodes", "connections")}
    other = body | {"settings": {"executionOrder": "v1", "errorWorkflow": world.handler}}
    assert world.n8n.api("PUT", f"workflows/{mine}", other, publishIfActive="false").ok
    undone = cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    assert settings(world.n8n, mine)["errorWorkflow"] == world.handler


def test_what_you_changed_in_the_handler_is_kept_and_it_is_not_deleted(world: World, cli: Cli) -> None:
    one = ("--only", bare(world, "One of its own", w.no_op()))
    assert cli.connect(world.n8n, *one).exit_code == 0
    handler = handler_id(world)
    row = world.n8n.api("GET", f"workflows/{handler}").json()
    body = {key: row[key] for key in ("name", "nodes", "connections")} | {"settings": {"executionOrder": "v1"}}
    body["nodes"].append(w.no_op("Mine"))
    assert world.n8n.api("PUT", f"workflows/{handler}", body).ok
    shown = cli("connect", "--yes", *one)
    assert "what you changed in it is kept" in shown.output and "Nothing to change" in shown.output
    moved = cli("connect", "--yes", *one, "--address", "http://127.0.0.1:9")
    assert "its address or credential is another" in moved.output and moved.exit_code == 1
    nodes = world.n8n.api("GET", f"workflows/{handler}").json()["activeVersion"]["nodes"]
    assert "Mine" in {one["name"] for one in nodes} and "http://127.0.0.1:9" in json.dumps(nodes)
    assert "NOT PROVEN: the error handler ran, and could not reach n8n-medic at http://127.0.0.1:9" in moved.output
    undone = cli("connect", "--undo", "--yes")
    assert (
        "you have changed it" in undone.output or "somebody has changed it" in undone.output or handler_id(world) == ""
    )
    if handler_id(world):
        world.n8n.api("POST", f"workflows/{handler}/unpublish")
        wait_for("its end", lambda: world.n8n.api("DELETE", f"workflows/{handler}").ok)


def test_a_handler_that_somebody_took_away_is_put_back_and_given_to_all_again(world: World, cli: Cli) -> None:
    user = bare(world, "User of the handler", w.no_op())
    before = export(world.n8n)
    assert cli.connect(world.n8n).exit_code == 0
    for how, told in (
        ("DELETE", "the one that connect made was deleted"),
        ("POST", "the one that connect made is arch"),
    ):
        first = handler_id(world)
        world.n8n.api("POST", f"workflows/{first}/deactivate")
        away = f"workflows/{first}" + ("/archive" if how == "POST" else "")
        wait_for("its end", lambda how=how, away=away: world.n8n.api(how, away).ok, 60, 0.3)  # type: ignore[misc]
        shown = cli.connect(world.n8n)
        assert shown.exit_code == 0 and told in shown.output, shown.output
        handler = settings(world.n8n, user)["errorWorkflow"]
        assert handler != first and world.n8n.api("GET", f"workflows/{handler}").json()["active"]
    assert "Nothing to change" in cli.connect(world.n8n).output
    assert cli("connect", "--undo", "--yes").exit_code == 0
    assert export(world.n8n) == before


def test_a_credential_that_somebody_deleted_is_made_anew_and_used_again(world: World, cli: Cli) -> None:
    only = ("--only", bare(world, "Behind a credential", w.no_op()))
    before = export(world.n8n)
    assert cli.connect(world.n8n, *only).exit_code == 0
    for one in world.n8n.api("GET", "credentials", limit=250).json()["data"]:
        if one["name"].startswith("n8n-medic "):
            assert world.n8n.api("DELETE", f"credentials/{one['id']}").ok
    told = cli.connect(world.n8n, *only)
    assert told.exit_code == 0 and "the loop is closed" in told.output, told.output
    assert "Nothing to change" in cli.connect(world.n8n, *only).output
    assert cli("connect", "--undo", "--yes").exit_code == 0
    assert export(world.n8n) == before and not [one for one in credentials(world.n8n) if one.startswith("n8n-medic ")]


def test_what_was_chosen_at_first_is_what_a_later_connect_means(world: World, cli: Cli, tmp_path: Path) -> None:
    cli.files = str(shutil.copytree(SMALL, tmp_path / "files"))
    for name in ("daily-report", "heartbeat"):
        body = w.workflow(f"n8n-medic: {name}", w.webhook(f"chosen-{name}"), w.no_op())
        (Path(cli.files) / f"{name}.json").write_text(json.dumps(body))
    first = cli.connect(world.n8n, "--workflows", "error-handler,daily-report")
    assert first.exit_code == 0, first.output
    again = cli.connect(world.n8n)
    assert "Nothing to change" in again.output and "heartbeat" not in again.output, again.output


def test_more_workflows_than_one_page_of_n8n_holds_are_all_wired(alone: World, by_itself: Cli) -> None:
    """290 of a real n8n were wired and put back as well, by hand."""
    made = [alone.n8n.create_workflow(w.workflow(f"Many {number}", w.no_op())) for number in range(260)]
    assert len(alone.n8n.api("GET", "workflows", limit=250).json()["data"]) == 250
    shown = by_itself.connect(alone.n8n, "--dry-run").output
    assert all(f"error workflow of Many {number}: it has none" in shown for number in range(len(made)))


def test_a_handler_with_a_draft_is_left_as_it_is(world: World, cli: Cli) -> None:
    one = ("--only", bare(world, "One of its own", w.no_op()))
    assert cli.connect(world.n8n, *one).exit_code == 0
    handler = handler_id(world)
    row = world.n8n.api("GET", f"workflows/{handler}").json()
    draft = {key: row[key] for key in ("name", "nodes", "connections")} | {"settings": {"executionOrder": "v1"}}
    draft["nodes"] = [*row["nodes"], w.no_op("Unfinished")]
    assert world.n8n.api("PUT", f"workflows/{handler}", draft, publishIfActive="false").ok
    kept = versions(world.n8n, handler)
    shown = cli("connect", "--yes", *one)
    assert "what is live is right; its draft is left alone" in shown.output and shown.exit_code == 0
    assert versions(world.n8n, handler) == kept
    assert world.n8n.api("PUT", f"workflows/{handler}", draft | {"nodes": row["nodes"]}).ok


class Prefixed(Service):
    """A proxy that gives an n8n a path before its own, and is nowhere else: what is asked beside it gets 404."""

    def __init__(self, n8n: Any):
        self._n8n = n8n
        super().__init__()

    def take(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any) -> Answer:
        if not path.startswith("/tools/n8n/"):
            return Answer(404)
        kept = {name: headers[name] for name in ("x-n8n-api-key", "origin") if name in headers}
        url = self._n8n.url + path.removeprefix("/tools/n8n")
        got = requests.request(method, url, params=query, headers=kept, json=body, timeout=60)
        told = {
            name: value for name, value in got.headers.items() if name.lower().startswith(("content-type", "access-"))
        }
        return Answer(got.status_code, raw=got.content, headers=told)


def test_an_n8n_under_a_path_of_its_proxy_is_connected_and_looked_at(alone: World, by_itself: Cli) -> None:
    """A real one with N8N_PATH behind such a proxy was connected as well, by hand."""
    world, cli = alone, by_itself
    mine = bare(world, "Under a path", w.no_op())
    with Prefixed(world.n8n) as proxy:
        there = f"{proxy.url}/tools/n8n"
        shown = cli("connect", "--url", f"{there}/", "--api-key-file", "-", "--yes", given=f"{world.n8n.api_key}\n")
        assert shown.exit_code == 0 and "the loop is closed" in shown.output, shown.output
        assert yaml.safe_load(cli.file.read_text())["n8n"]["url"] == there
        assert settings(world.n8n, mine)["errorWorkflow"] == handler_id(world)
        assert f"{there} is ready" in cli("doctor").output
        (told,) = json.loads(cli("audit", "--json", "--fail-on", "never").stdout)
        assert not [one for one in told["findings"] if one["workflow_id"] == mine and one["severity"] == "bad"]
        assert cli("connect", "--undo", "--yes").exit_code == 0
    assert "errorWorkflow" not in settings(world.n8n, mine)


# -- a second n8n, and keys


def test_a_second_n8n_by_name_has_its_own_section_address_and_undo(world: World, cli: Cli) -> None:
    cli.file.write_text("# my n8n\nn8n:\n  url: http://127.0.0.1:9   # the first\n")
    mine = bare(world, "Of the second", w.no_op())
    shown = cli.connect(world.n8n, "--name", "second", "--only", mine)
    assert shown.exit_code == 0, shown.output
    handler = json.dumps(world.n8n.api("GET", f"workflows/{handler_id(world)}").json()["nodes"])
    assert '"second"' in handler or "/webhooks/n8n-error/second" in handler, "as the workflow's own way of naming is"
    text = cli.file.read_text()
    assert "# my n8n" in text and "# the first" in text
    assert [one.get("name", "default") for one in yaml.safe_load(text)["n8n"]] == ["default", "second"]
    key = cli.data / "secrets" / "n8n_second_api_key"
    assert key.read_text().strip() == world.n8n.api_key and key.stat().st_mode & 0o777 == 0o600
    assert world.n8n.api_key not in text
    looks = {"name": "n8n second", "check": {"kind": "n8n", "site": "second"}, "severity": "critical"}
    assert yaml.safe_load(text)["components"] == [looks], "should it die, somebody is told"
    assert "Nothing to change" in cli("connect", "--name", "second", "--yes", "--only", mine).output
    assert (
        "Nothing that was changed in n8n default"
        in cli("connect", "--undo", "--yes", "--url", world.n8n.url, "--api-key", world.n8n.api_key).output
    )
    assert cli("connect", "--undo", "--yes", "--name", "second").exit_code == 0
    assert "errorWorkflow" not in settings(world.n8n, mine)


def test_a_name_that_the_running_n8n_medic_does_not_know_is_told(world: World, cli: Cli) -> None:
    shown = cli.connect(world.n8n, "--name", "third", "--only", bare(world, "Of the third", w.no_op()))
    assert shown.exit_code == 1
    assert "NOT PROVEN" in shown.output and "start n8n-medic again" in shown.output
    assert cli("connect", "--undo", "--yes", "--name", "third").exit_code == 0


def test_a_wrong_key_changes_nothing(world: World, cli: Cli) -> None:
    shown = cli.connect(world.n8n, key="wrong")
    assert shown.exit_code == 1 and "refused the API key" in shown.output
    assert not cli.file.exists() and not handler_id(world)


def test_while_it_only_looks_nothing_was_changed_and_it_says_so(world: World, cli: Cli) -> None:
    for n8n in (["--url", "http://127.0.0.1:9"], ["--url", world.told.url], ["--url", world.n8n.url]):
        shown = cli("connect", *n8n, "--api-key-file", "-", "--yes", given="wrong\n")
        assert shown.exit_code == 1 and "Nothing was changed: " in shown.output, shown.output
        assert "lacks the scopes" not in shown.output, "whoever that is, it is not a poor key"
        assert "Nothing was changed: " in cli("connect", "--undo", *n8n, "--api-key-file", "-", given="wrong\n").output
    assert not cli.file.exists()


@pytest.mark.parametrize("words", [("--only", "Ordesr"), ("--tag", "prodution")])
def test_a_name_or_tag_that_fits_nothing_is_no_success(world: World, cli: Cli, words: tuple[str, str]) -> None:
    shown = cli.connect(world.n8n, *words)
    assert shown.exit_code == 1 and repr(words[1]) in shown.output and "Nothing was changed" in shown.output
    assert not handler_id(world) and not cli.file.exists()


def test_one_n8n_is_not_connected_under_two_names(world: World, cli: Cli) -> None:
    mine = bare(world, "Once", w.no_op())
    assert cli.connect(world.n8n, "--only", mine).exit_code == 0
    before = export(world.n8n)
    again = cli.connect(world.n8n, "--name", "second", "--only", mine)
    assert again.exit_code == 1 and "is configured as n8n default already" in again.output
    other = world.n8n.url.replace("127.0.0.1", "localhost")
    again = cli("connect", "--name", "second", "--url", other, "--api-key-file", "-", "--yes", given=world.n8n.api_key)
    assert again.exit_code == 1 and "connected as default" in again.output, "by another address it is the same n8n"
    assert export(world.n8n) == before


def test_missing_scopes_are_all_named_and_nothing_is_changed(world: World, cli: Cli) -> None:
    poor = world.n8n.new_key(["workflow:list", "workflow:read", "tag:list"])
    before = export(world.n8n)
    shown = cli.connect(world.n8n, key=poor)
    assert shown.exit_code == 1
    assert "Nothing was changed" in shown.output
    for scope in ("workflow:create", "workflow:update", "workflow:activate", "credential:create", "execution:list"):
        assert scope in shown.output
    assert export(world.n8n) == before and not cli.file.exists()


def test_a_key_that_may_not_list_workflows_is_told_what_does_not_work_without(world: World, cli: Cli) -> None:
    blind = world.n8n.new_key(["workflow:read", "execution:list", "execution:read", "execution:retry"])
    assert "the tags medic:critical and medic:ignore are not heeded" in cli.connect(world.n8n, key=blind).output
    cli.file.write_text(yaml.safe_dump({"n8n": {"url": world.n8n.url, "api_key": blind}}))
    told = lines(cli("doctor"), "warn")
    assert any("the tags medic:critical and medic:ignore are not heeded" in one for one in told), told
    assert not any("error handler" in one for one in told), "what cannot be seen is not called missing"


def test_an_n8n_that_is_down_is_told(world: World, cli: Cli) -> None:
    shown = cli("connect", "--yes", "--url", f"http://127.0.0.1:{free_port()}", "--api-key", "k")
    assert shown.exit_code == 1 and "the connection was refused" in shown.output
    assert not cli.file.exists()


# -- doctor


def lines(shown: Any, state: str) -> list[str]:
    """The lines of `medic doctor` that stand so."""
    return [row for row in shown.output.splitlines() if row.startswith(state)]


def test_doctor_says_what_is_missing_and_then_that_it_is_there(world: World, cli: Cli) -> None:
    cli.file.write_text(f'n8n: {{url: "{world.n8n.url}", api_key: "{world.n8n.api_key}"}}\n')
    mine = bare(world, "Seen by doctor", w.no_op())
    ill = cli("doctor")
    assert ill.exit_code == 1, ill.output
    bad = "\n".join(lines(ill, "fail") + lines(ill, "warn"))
    assert "there is none: failures are heard of only when n8n is asked" in bad
    assert re.search(r"\d+ of \d+ published workflows have one; not: ", bad)
    assert cli.connect(world.n8n, "--only", mine).exit_code == 0
    well = cli("doctor")
    good = "\n".join(lines(well, "ok"))
    for words in ("worker: it is alive", "web: it is alive", "answers from here", "n8n default: API key", "arrived on"):
        assert words in good, well.output
    assert f"{HANDLER} is published" in good
    assert world.n8n.api_key not in well.output
    as_json = json.loads(cli("doctor", "--json").output)
    assert {"state", "what", "because", "todo"} == set(as_json[0])


def untold(shown: Result) -> str:
    """Doctor's line about workflows whose error workflow is dead, of which others may have left some."""
    return next((line for line in shown.output.splitlines() if "error workflow is gone or not published" in line), "")


def test_doctor_tells_a_handler_that_somebody_unpublished(world: World, cli: Cli) -> None:
    mine = bare(world, "Told to nobody", w.no_op())
    assert cli.connect(world.n8n, "--only", mine).exit_code == 0
    before = untold(cli("doctor"))
    assert "Told to nobody" not in before
    assert world.n8n.api("POST", f"workflows/{handler_id(world)}/unpublish").ok
    shown = cli("doctor")
    assert shown.exit_code == 1
    assert f"{HANDLER} is not published, so n8n never runs it" in shown.output
    assert untold(shown) not in ("", before)
    assert world.is_real or "Told to nobody: their" in untold(shown)
    again = cli("connect", "--yes", "--only", mine)
    assert again.exit_code == 0 and f"> publish {HANDLER}" in again.output


def test_doctor_tells_an_n8n_that_is_down_and_a_key_that_is_wrong(world: World, cli: Cli) -> None:
    cli.file.write_text(f'n8n: {{url: "http://127.0.0.1:{free_port()}", api_key: k}}\n')
    assert "the connection was refused" in "".join(lines(cli("doctor"), "fail"))
    cli.file.write_text(f'n8n: {{url: "{world.n8n.url}", api_key: wrong}}\n')
    assert "refused the API key" in "".join(lines(cli("doctor"), "fail"))


# -- odd workflows, as only an import makes them


ODD = [
    {"id": "OddSettingsNull1", "name": "Odd null", "settings": None},
    {"id": "OddSettingsDflt1", "name": "Odd defaults", "settings": {"executionTimeout": -1, "timezone": "DEFAULT"}},
    {"id": "OddSettingsKept1", "name": "Odd kept", "settings": {"binaryMode": "separate", "strange": {"a": 1}}},
]


@pytest.mark.n8n
def test_imported_oddities_are_kept_or_left_alone(real_n8n: Any, medic: Medic, tmp_path: Path) -> None:
    rows = [one | {"nodes": [w.webhook(f"odd-{place}")], "connections": {}} for place, one in enumerate(ODD)]
    rows[2]["pinData"] = {"Webhook": [{"json": {"a": 1}}]}
    file = real_n8n.folder / "odd.json"
    file.write_text(json.dumps(rows))
    command = [str(install.node_home() / "bin/node"), str(install.SCRIPT), "import:workflow", f"--input={file}"]
    subprocess.run(command, env=real_n8n._settings(), cwd=real_n8n.folder, capture_output=True, timeout=180, check=True)
    before = export(real_n8n)
    cli = Cli(tmp_path, medic)
    shown = cli.connect(real_n8n, *(word for one in ODD for word in ("--only", one["id"])))
    assert shown.exit_code == 0, shown.output
    assert re.search(r"! Odd null: n8n keeps no settings", shown.output)
    assert re.search(r"! Odd defaults: n8n would take timezone", shown.output)
    wired = export(real_n8n)
    assert "errorWorkflow" in wired["OddSettingsKept1"]["settings"]
    assert wired["OddSettingsKept1"]["settings"]["strange"] == {"a": 1}
    undone = cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    assert export(real_n8n) == before


# -- what only a stand-in can be made to do


@pytest.fixture
def alone() -> Iterator[World]:
    """A stand-in of the test's own."""
    with StandInN8n() as n8n, World(n8n) as found:
        yield found


@pytest.fixture
def by_itself(tmp_path: Path, medic: Medic) -> Cli:
    """The command line for that one."""
    found = Cli(tmp_path, medic)
    found.files = SMALL
    return found


def test_a_person_is_asked_and_no_changes_nothing(alone: World, by_itself: Cli) -> None:
    before = export(alone.n8n)
    key = ("--url", alone.n8n.url, "--api-key", alone.n8n.api_key)
    for answer in ("n\n", ""):
        shown = by_itself("connect", *key, given=answer)
        assert shown.exit_code == 1 and "Nothing was changed" in shown.output
        assert export(alone.n8n) == before and not by_itself.file.exists()


def test_on_a_terminal_it_asks_whether_to_begin_in_dry_run(
    alone: World, by_itself: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect_run, "on_a_terminal", lambda: True)
    by_itself.file.write_text("dry_run: false  # for now\n")
    shown = by_itself("connect", "--url", alone.n8n.url, given=f"{alone.n8n.api_key}\ny\ny\n")
    assert shown.exit_code == 0, shown.output
    assert "Begin in dry run" in shown.output and alone.n8n.api_key not in shown.output
    assert by_itself.file.read_text().startswith("dry_run: true  # for now\n")
    assert by_itself("connect", "--yes", "--begin-live").exit_code == 0
    assert by_itself.file.read_text().startswith("dry_run: false  # for now\n")
    assert "Nothing to change" in by_itself("connect", "--yes").output


@pytest.mark.parametrize(
    "component",
    [
        "{name: mine, check: {kind: n8n}}",
        "{name: n8n, check: {kind: http, url: 'http://127.0.0.1:9'}}",
        '{name: mine, check: {kind: http, url: "<n8n>/healthz/readiness"}}',
    ],
)
def test_what_looks_at_n8n_already_is_enough(alone: World, by_itself: Cli, component: str) -> None:
    by_itself.file.write_text(f"components:\n  - {component.replace('<n8n>', alone.n8n.url)}\n")
    assert by_itself.connect(alone.n8n).exit_code == 0
    assert len(yaml.safe_load(by_itself.file.read_text())["components"]) == 1


def test_a_component_that_a_person_took_out_again_stays_out(alone: World, by_itself: Cli) -> None:
    assert by_itself.connect(alone.n8n).exit_code == 0
    whole = by_itself.file.read_text()
    assert "{name: n8n, check: {kind: n8n}, severity: critical}" in whole
    less = whole[: whole.index("components:")]
    by_itself.file.write_text(less)
    assert "Nothing to change" in by_itself("connect", "--yes").output
    assert by_itself.connect(alone.n8n, key=alone.n8n.new_key(alone.n8n.all_scopes())).exit_code == 0
    assert by_itself.file.read_text() == less


def test_what_the_environment_says_is_not_written_into_the_file(alone: World, by_itself: Cli) -> None:
    env = {"MEDIC_N8N_URL": alone.n8n.url, "MEDIC_N8N_API_KEY": alone.n8n.api_key}
    shown = by_itself("connect", "--yes", **env)
    assert shown.exit_code == 0 and not by_itself.file.exists() and "medic.yaml" not in shown.output
    other = by_itself("connect", "--yes", "--api-key", alone.n8n.new_key(alone.n8n.all_scopes()), **env)
    assert "MEDIC_N8N_URL is set and goes over the file" in other.output and not by_itself.file.exists()


def test_an_n8n_that_is_too_old_is_refused(alone: World, by_itself: Cli) -> None:
    alone.n8n.can_discover = False
    shown = by_itself.connect(alone.n8n)
    assert shown.exit_code == 1 and "too old to be connected" in shown.output
    assert not handler_id(alone)


def test_an_n8n_that_publishes_drafts_is_found_out_on_the_canary(alone: World, by_itself: Cli) -> None:
    """One that does not know the flag: no draft of a person's may be its first try."""
    cli = by_itself
    planted = bare(alone, "Planted", w.no_op("Live"))
    alone.draft(planted, w.webhook("never"), w.stop_and_error("unfinished"))
    plain = bare(alone, "Plain", w.no_op())
    kept = versions(alone.n8n, planted)
    publishes = alone.n8n.engine.change_workflow
    alone.n8n.engine.change_workflow = lambda found, body, publish=True: publishes(found, body, True)  # type: ignore
    shown = cli.connect(alone.n8n)
    assert shown.exit_code == 1 and "was not seen to leave drafts unpublished" in shown.output
    assert versions(alone.n8n, planted) == kept and "errorWorkflow" not in settings(alone.n8n, planted)
    assert "errorWorkflow" in settings(alone.n8n, plain)
    alone.n8n.engine.change_workflow = publishes  # type: ignore[method-assign]
    undone = cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output


def test_one_workflow_that_n8n_refuses_holds_up_no_other(alone: World, by_itself: Cli) -> None:
    cli = by_itself
    refused, other = bare(alone, "A refused"), bare(alone, "B other")
    alone.n8n.misbehave(Answer(400, {"message": "request/body is wrong"}), path=f"/workflows/{refused}")
    shown = cli.connect(alone.n8n)
    assert shown.exit_code == 1 and "! A refused: n8n did not take the request" in shown.output
    assert "errorWorkflow" in settings(alone.n8n, other)
    again = cli("connect", "--yes")
    assert again.exit_code == 0 and "errorWorkflow" in settings(alone.n8n, refused)


def test_a_token_that_changed_is_written_anew(alone: World, by_itself: Cli) -> None:
    cli = by_itself
    assert cli.connect(alone.n8n).exit_code == 0
    changed = cli("connect", "--yes", MEDIC_SIGNALS_TOKEN="another-token-that-is-not-known-there")
    assert "~ credential n8n-medic token: the token is another by now" in changed.output
    assert changed.exit_code == 1 and "is not n8n-medic's" in changed.output
    data = next(one["data"] for one in alone.n8n.engine.credentials.values() if one["name"] == "n8n-medic token")
    assert data == {"name": "X-Medic-Token", "value": "another-token-that-is-not-known-there"}
    back = cli("connect", "--yes")
    assert back.exit_code == 0 and "the loop is closed" in back.output
    assert TOKENS["MEDIC_WEBHOOK_TOKEN"] not in back.output + changed.output


def test_without_a_running_n8n_medic_it_is_wired_and_not_proven(alone: World, tmp_path: Path) -> None:
    away = Medic(tmp_path / "away", CONFIG)
    cli = Cli(tmp_path / "cli", away)
    cli.files = SMALL
    mine = bare(alone, "Wired all the same")
    shown = cli.connect(alone.n8n)
    assert shown.exit_code == 1 and "n8n-medic does not run: start it" in shown.output
    assert "errorWorkflow" in settings(alone.n8n, mine)
    undone = cli("connect", "--undo", "--yes")
    assert undone.exit_code == 0, undone.output
