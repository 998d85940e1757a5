"""The workflows that we ship are sound, readable, free of secrets, and as their pictures show them."""

import importlib.util
import itertools
import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from recovery.model import AlertKind, Severity
from recovery.model.scopes import SCOPES

FOLDER = Path(__file__).parents[2] / "n8n_workflows"
IDS = {
    "alert-router": "MedicAlertRouter",
    "companion-watchdog": "MedicWatchdog001",
    "daily-report": "MedicDailyReport",
    "error-handler": "MedicErrorHandlr",
    "heartbeat": "MedicHeartbeat01",
    "probe-schedule": "MedicProbeSchedl",
    "replay-on-demand": "MedicReplayOnDem",
}
NEWEST = {
    "aggregate": 1, "code": 2, "emailSend": 2.1, "errorTrigger": 1, "filter": 2.3, "form": 2.5, "formTrigger": 2.6,
    "httpRequest": 4.5, "if": 2.3, "merge": 3.2, "noOp": 1, "respondToWebhook": 1.5, "scheduleTrigger": 1.4, "set": 3.5,
    "slack": 2.7, "splitOut": 1, "stickyNote": 1, "stopAndError": 1, "switch": 3.4, "twilio": 1, "wait": 1.1,
    "webhook": 2.1,
}  # fmt: skip
"""The nodes that we use, which n8n 2 does not block, and the newest version of each that n8n 2.40 knows."""
SCOPED = {f"n8n-medic {scope.name}" for scope in SCOPES}
ONCE = {("probe-schedule", "Look"), ("replay-on-demand", "Replay them")}
"""Not repeated: the failure of a probe is its answer, and nobody knows whether a replay was taken."""


def load_draw() -> Any:
    spec = importlib.util.spec_from_file_location("draw", FOLDER / "draw.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


draw = load_draw()
WORKFLOWS = {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}
each = pytest.mark.parametrize("name", WORKFLOWS)


def nodes_of(name: str, *kinds: str) -> dict[str, dict[str, Any]]:
    """The nodes of a workflow by name; of these kinds, or all but its notes."""
    nodes = {node["name"]: node for node in WORKFLOWS[name]["nodes"]}
    return {
        one: node
        for one, node in nodes.items()
        if draw.kind_of(node) in kinds or (not kinds and draw.kind_of(node) != "stickyNote")
    }


def lines_of(name: str) -> list[tuple[str, int, str, int]]:
    """Each line: from, which output, to, which input."""
    return [
        (begin, place, to["node"], to["index"])
        for begin, kinds in WORKFLOWS[name]["connections"].items()
        for place, targets in enumerate(kinds["main"])
        for to in targets
    ]


def test_each_has_the_id_that_it_always_had() -> None:
    assert {name: workflow["id"] for name, workflow in WORKFLOWS.items()} == IDS
    assert all(len(one) == 16 for one in IDS.values())
    assert all(workflow["name"].startswith("n8n-medic: ") for workflow in WORKFLOWS.values())


@each
def test_it_is_what_n8n_exports_and_its_api_takes(name: str) -> None:
    workflow = WORKFLOWS[name]
    assert workflow.keys() == {"id", "name", "nodes", "connections", "settings"}, "import must publish nothing"
    assert workflow["settings"]["executionOrder"] == "v1"
    ids = [node["id"] for node in workflow["nodes"]]
    assert len(set(ids)) == len(ids) and all(str(uuid.UUID(one)) == one for one in ids)
    names = [node["name"] for node in workflow["nodes"]]
    assert len(set(names)) == len(names)
    assert all(str(uuid.UUID(node["webhookId"])) for node in workflow["nodes"] if "webhookId" in node)


@each
def test_it_uses_no_node_that_n8n_2_blocks_and_no_version_that_it_does_not_know(name: str) -> None:
    for node in WORKFLOWS[name]["nodes"]:
        package, _, kind = node["type"].rpartition(".")
        assert package == "n8n-nodes-base" and node["typeVersion"] <= NEWEST[kind], node["name"]
    text = json.dumps(WORKFLOWS[name])
    assert not re.search(r"\$env|process\.|require\(|executeCommand|readWriteFile", text), "n8n 2 blocks it by default"


@each
def test_every_line_leads_from_an_output_to_an_input_and_every_node_is_reached(name: str) -> None:
    nodes, lines = nodes_of(name), lines_of(name)
    for begin, place, end, into in lines:
        assert place < len(draw.outputs_of(nodes[begin])), begin
        assert into < nodes[end]["parameters"].get("numberInputs", 1), end
    begins = {one for one in nodes if "rigger" in nodes[one]["type"] or nodes[one]["type"].endswith(".webhook")}
    reached = set(begins)
    for _ in nodes:
        reached |= {end for begin, _, end, _ in lines if begin in reached}
    assert begins and reached == nodes.keys()


@each
def test_every_branch_goes_on(name: str) -> None:
    """A failure, or a `no`, that leads nowhere would be lost without a word."""
    lines = {(begin, place) for begin, place, _, _ in lines_of(name)}
    for one, node in nodes_of(name).items():
        places = range(len(draw.outputs_of(node)))
        if len(places) > 1:
            assert {(one, place) for place in places} <= lines, one


@each
def test_no_two_nodes_overlap_and_each_is_either_in_a_note_or_beside_it(name: str) -> None:
    boxes = {one: with_label(draw.box_of(node)) for one, node in nodes_of(name).items()}
    for (one, left), (other, right) in itertools.combinations(boxes.items(), 2):
        assert not overlap(left, right), (one, other)
    notes = {one: draw.box_of(node) for one, node in nodes_of(name, "stickyNote").items()}
    for (one, left), (other, right) in itertools.combinations(notes.items(), 2):
        assert not overlap(left, right), (one, other)
    for note, (left, top, right, bottom) in notes.items():
        for one, node in nodes_of(name).items():
            box = draw.box_of(node)
            inside = left <= box[0] and top <= box[1] and box[2] <= right and box[3] <= bottom
            assert inside or not overlap(box, (left, top, right, bottom)), (note, one)


def with_label(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """A node with its name beneath."""
    return box[0] - 16, box[1], box[2] + 16, box[3] + 40


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@each
def test_it_explains_itself_in_english_and_korean_and_the_notes_hold_their_text(name: str) -> None:
    notes = nodes_of(name, "stickyNote")
    readme = notes["Read me"]["parameters"]["content"]
    assert readme.startswith(f"## {WORKFLOWS[name]['name']}\n") and "**Settings**" in readme and "**Publish**" in readme
    assert re.search("[가-힣]", readme)
    for node in notes.values():
        _, top, _, bottom = draw.box_of(node)
        text, width = node["parameters"]["content"], node["parameters"]["width"]
        needed = sum(size * 1.42 for size, _, _ in draw._lines_of(text, width - 32))
        assert needed + 16 <= bottom - top, node["name"]
    for bold in re.findall(r"\*\*(.+?)\*\*", readme):
        if bold in ("Settings", "Slack", "Mail", "SMS"):
            assert bold in nodes_of(name), bold


@each
def test_the_settings_are_in_one_node_that_a_program_can_fill_in(name: str) -> None:
    settings = nodes_of(name)["Settings"]
    fields = {one["name"]: one["value"] for one in settings["parameters"]["assignments"]["assignments"]}
    assert all(one["type"] == "string" for one in settings["parameters"]["assignments"]["assignments"])
    if name == "alert-router":
        assert "medic_url" not in fields, "it is called, and calls nobody back"
    else:
        assert fields["medic_url"] == "http://127.0.0.1:8808"
    used = set(re.findall(r"\$\('Settings'\)\.first\(\)\.json\.(\w+)", json.dumps(WORKFLOWS[name])))
    assert used == fields.keys(), "every field is used, and every field that is used is there"


@each
def test_no_secret_is_in_it_and_credentials_are_named_and_nothing_else(name: str) -> None:
    for node in WORKFLOWS[name]["nodes"]:
        for kind, kept in node.get("credentials", {}).items():
            assert kind == "httpHeaderAuth" and kept["id"] is None
            assert kept["name"] in {*SCOPED, "n8n-medic alerts"}
    text = json.dumps({**WORKFLOWS[name], "nodes": list(nodes_of(name).values())})
    assert not re.search(r"(?i)bearer |password|api[_-]?key|secret|xox[bp]-|X-Medic-Token", text)


@each
def test_every_call_is_bounded_and_repeated_and_no_failure_of_one_ends_the_run(name: str) -> None:
    for one, node in nodes_of(name, "httpRequest").items():
        options = node["parameters"]["options"]
        assert options["timeout"], one
        assert node["onError"] in ("continueErrorOutput", "continueRegularOutput"), one
        if (name, one) in ONCE:
            assert "retryOnFail" not in node, one
            continue
        assert node["retryOnFail"] is True and 2 <= node["maxTries"] <= 5 and node["waitBetweenTries"] <= 5000, one


@each
def test_every_address_of_ours_is_called_with_the_token_that_opens_it(name: str) -> None:
    for one, node in nodes_of(name, "httpRequest").items():
        url = node["parameters"]["url"]
        path = re.sub(r"\{\{.*?\}\}", "", url.partition("}}")[2]) if "medic_url" in url else ""
        if not path or path == "/readyz":
            continue
        token = node["credentials"]["httpHeaderAuth"]["name"].removeprefix("n8n-medic ")
        scope = next(scope for scope in SCOPES if scope.name == token)
        concrete = path + "1" if path.endswith("/") else path
        assert scope.opens(node["parameters"]["method"], concrete), (one, concrete)


@each
def test_channels_are_switched_off_and_whoever_is_told_is_said(name: str) -> None:
    channels = nodes_of(name, "slack", "emailSend", "twilio")
    assert bool(channels) == (name in {"alert-router", "companion-watchdog", "daily-report", "error-handler"})
    lines = {(begin, end) for begin, _, end, _ in lines_of(name)}
    for one, node in channels.items():
        assert node["disabled"] is True and node["onError"] == "continueRegularOutput" and "credentials" not in node
        assert (one, f"What {one} said") in lines and (f"What {one} said", "Together") in lines


@each
def test_no_text_can_ring_a_whole_slack_channel(name: str) -> None:
    for node in nodes_of(name, "slack").values():
        assert "replaceAll('<', '&lt;')" in node["parameters"]["text"]


def test_the_router_knows_every_kind_of_alert_and_every_severity() -> None:
    known = json.dumps(nodes_of("alert-router", "switch"))
    assert not [word for word in [*AlertKind, *Severity] if f'"rightValue": "{word.value}"' not in known]


@each
def test_its_picture_is_up_to_date(name: str) -> None:
    kept = FOLDER / "pictures" / f"{name}.svg"
    assert kept.read_text() == draw.draw(WORKFLOWS[name]), "run python n8n_workflows/draw.py"


def test_the_readme_shows_and_names_every_workflow_credential_and_token() -> None:
    readme = (FOLDER / "README.md").read_text()
    for name, workflow in WORKFLOWS.items():
        assert f"pictures/{name}.svg" in readme and f"`{name}.json`" in readme and workflow["id"] in readme
    for credential in SCOPED | {"n8n-medic alerts"}:
        assert f"`{credential}`" in readme
