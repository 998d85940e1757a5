"""What connects an n8n, which workflows are given the error handler, and how all of it is taken back. Values only."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recovery.cli.wiring_words import show_plan
from recovery.decide.coverage import cover, why_not_chosen, why_rewritten
from recovery.decide.shipped import calls_back, fill, same_flow, webhooks_of, with_credentials
from recovery.decide.unwiring import plan_undo, settle, settled_view
from recovery.decide.wiring import plan_wiring
from recovery.model import CANARY_NAME, Change, ChangeKind, Shipped, Wired, Wiring, WiringView, Wish

FILE = Path(__file__).parents[1] / "n8n/fixtures/shipped/error-handler.json"
SHIPPED = {"error-handler": Shipped("error-handler", json.loads(FILE.read_text()))}
HANDLER = SHIPPED["error-handler"].name
TOKEN = "n8n-medic token"
ADDRESS = "http://medic:8808"
WISH = Wish("default", ADDRESS, "error-handler", ("error-handler",), {TOKEN: "print"}, ("medic:ignore",))
CREDENTIAL = {"id": "c1", "name": TOKEN, "type": "httpHeaderAuth"}
K = ChangeKind


def node(name: str, kind: str = "noOp", **more: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "type": f"n8n-nodes-base.{kind}", "parameters": {}, **more}


def workflow(found_id: str, name: str, *nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A published workflow without a draft."""
    row = {"id": found_id, "name": name, "nodes": list(nodes) or [node("A")], "connections": {}, "active": True}
    row |= {"settings": {}, "versionId": "v1", "activeVersionId": "v1", "isArchived": False, "tags": []} | more
    live = {"nodes": row["nodes"], "connections": row["connections"]}
    return row | {"activeVersion": row.get("activeVersion") or (live if row["active"] else None)}


def body(address: str = ADDRESS, site: str = "default", credential: str = "c1") -> dict[str, Any]:
    return with_credentials(fill(SHIPPED["error-handler"].body, address, site), {TOKEN: credential})


def handler(**more: Any) -> dict[str, Any]:
    """The error handler as connect made it."""
    made = body()
    return workflow("h1", HANDLER, *made["nodes"], connections=made["connections"], **more)


def wired(*changes: Change, begun: tuple[int, ...] = ()) -> tuple[Wired, ...]:
    return tuple(Wired(number, one, number not in begun) for number, one in enumerate(changes, 1))


MADE = (
    Change(K.CREDENTIAL, TOKEN, TOKEN, "", "c1", {"ids": []}, {"secret": "print"}),
    Change(K.INSTALL, "error-handler", HANDLER, "", "h1", {"ids": []}, body()),
    Change(K.PUBLISH, "error-handler", HANDLER, "", "h1"),
    Change(K.TAG, "medic:ignore", "medic:ignore", "", "t1"),
    Change(K.PROOF, "error-handler", CANARY_NAME, "", "", {}, {"address": ADDRESS, "handler": "h1"}),
)


def connected(*others: dict[str, Any], **more: Any) -> WiringView:
    """An n8n that is connected, with these workflows beside."""
    found = WiringView((handler(), *others), (CREDENTIAL,), {"medic:ignore": "t1"}, wired(*MADE))
    return replace(found, **more)


def plan(view: WiringView, **wish: Any) -> Wiring:
    return plan_wiring(replace(WISH, **wish), SHIPPED, view)


def kinds(found: Wiring) -> list[str]:
    return [f"{one.kind.value} {one.name}" for one in found.changes]


def why(found: Wiring, name: str) -> str:
    """Why something is left as it is."""
    return next(one.because for one in found.passed if one.name == name)


EMPTY = WiringView((), (), {})


# -- the plan


def test_an_empty_n8n_gets_everything_in_the_order_in_which_it_is_needed() -> None:
    found = plan(replace(EMPTY, workflows=(workflow("w1", "Orders"),)))
    assert kinds(found) == [
        f"credential {TOKEN}",
        f"install {HANDLER}",
        f"publish {HANDLER}",
        "tag medic:ignore",
        f"proof {CANARY_NAME}",
        "error_workflow Orders",
    ]
    assert all(one.because for one in found.changes)


def test_an_n8n_that_is_connected_is_left_as_it_is() -> None:
    found = plan(connected(workflow("w1", "Orders", settings={"errorWorkflow": "h1"})))
    assert found.changes == ()
    assert why(found, "Orders") == "it names the error handler already"


def test_the_address_and_the_name_of_the_n8n_are_filled_in_and_nothing_else() -> None:
    filled = body("https://medic.example.com", "berlin")
    text = json.dumps(filled)
    assert "https://medic.example.com" in text and "/webhooks/n8n-error/berlin" in text
    assert fill(filled, ADDRESS, "default")["nodes"] == body()["nodes"], "and back"
    assert calls_back(filled) and SHIPPED["error-handler"].body["nodes"][2]["parameters"] != filled["nodes"][2]


def test_the_settings_node_gets_the_name_of_the_n8n_and_of_its_heartbeat() -> None:
    rows = [{"name": name, "value": value} for name, value in (("n8n_name", ""), ("heartbeat_name", "n8n-scheduler"))]
    shipped = {
        "name": "n8n-medic: x",
        "nodes": [node("Settings", "set", parameters={"assignments": {"assignments": rows}})],
    }

    def values(found: dict[str, Any]) -> list[str]:
        return [row["value"] for row in found["nodes"][0]["parameters"]["assignments"]["assignments"]]

    berlin = fill(shipped, ADDRESS, "berlin")
    assert values(berlin) == ["berlin", "n8n-scheduler-berlin"] == values(fill(berlin, ADDRESS, "berlin"))
    assert values(fill(shipped, ADDRESS, "default")) == ["", "n8n-scheduler"]


@pytest.mark.parametrize(
    ("left", "because"),
    [
        ((), "the one that connect made was deleted"),
        ((handler(active=False, isArchived=True),), "the one that connect made is archived"),
    ],
)
def test_a_handler_that_is_gone_is_made_anew_and_what_was_given_it_gets_the_new_one(
    left: tuple[dict[str, Any], ...], because: str
) -> None:
    user = workflow("w1", "Orders", settings={"errorWorkflow": "h1"})
    theirs = workflow("w2", "Stock", settings={"errorWorkflow": "gone"})
    found = plan(replace(connected(), workflows=(*left, user, theirs)))
    assert kinds(found) == [f"install {HANDLER}", f"publish {HANDLER}", f"proof {CANARY_NAME}", "error_workflow Orders"]
    assert found.changes[0].because == because
    assert found.changes[-1].because in ("instead of h1, which is gone", f"instead of {HANDLER}, which is archived")
    assert "its error workflow is gone (gone): --replace" in why(found, "Stock"), "what was not ours stays theirs"


def test_one_that_was_deleted_by_a_person_may_be_left_out() -> None:
    beat = Shipped("heartbeat", {"id": "", "name": "n8n-medic: heartbeat", "nodes": [node("Beat")], "connections": {}})
    made = Change(K.INSTALL, "heartbeat", beat.name, "", "b1", {"ids": []}, dict(beat.body))
    view = replace(connected(), wired=(*connected().wired, Wired(99, made, True)))
    found = plan_wiring(replace(WISH, chosen=("error-handler", "heartbeat")), SHIPPED | {"heartbeat": beat}, view)
    assert found.changes[0].because == "the one that connect made was deleted (leave it out with --workflows)"
    assert found.changes[1].because == "n8n runs only what is published"


def test_another_address_or_token_changes_what_is_ours_and_is_proven_anew() -> None:
    moved = plan(connected(), address="http://other:8808")
    assert kinds(moved) == [f"update {HANDLER}", f"publish {HANDLER}", f"proof {CANARY_NAME}"]
    renewed = plan(connected(), tokens={TOKEN: "another"})
    assert kinds(renewed) == [f"renew {TOKEN}", f"proof {CANARY_NAME}"]
    assert "by now" in renewed.changes[0].because


def test_a_loop_that_was_never_proven_is_proven() -> None:
    view = connected()
    unproven = replace(view, wired=tuple(one for one in view.wired if one.change.kind is not K.PROOF))
    assert kinds(plan(unproven)) == [f"proof {CANARY_NAME}"]


def test_a_credential_made_by_hand_is_used_and_written_only_where_asked() -> None:
    view = replace(EMPTY, credentials=(CREDENTIAL,))
    assert "cannot be read" in why(plan(view), TOKEN)
    installed = next(one for one in plan(view).changes if one.kind is K.INSTALL)
    assert json.dumps(installed.after).count('"id": "c1"') == 1
    assert kinds(plan(view, renew=True))[0] == f"renew {TOKEN}"
    other_kind = {**CREDENTIAL, "type": "smtp"}
    assert kinds(plan(replace(EMPTY, credentials=(other_kind,))))[0] == f"credential {TOKEN}"


def test_a_handler_imported_by_hand_is_taken_over_by_id_or_by_name_and_published() -> None:
    for imported in (handler(id="MedicErrorHandlr", active=False), handler(active=False)):
        found = plan(replace(EMPTY, workflows=(imported,), credentials=(CREDENTIAL,), tags={"medic:ignore": "t"}))
        assert kinds(found) == [f"publish {HANDLER}", f"proof {CANARY_NAME}"]


def test_what_a_person_changed_in_the_handler_is_kept_unless_asked_otherwise() -> None:
    changed = handler()
    changed["nodes"] = [*changed["nodes"], node("Mine")]
    view = connected()
    view = replace(view, workflows=(changed,))
    assert plan(view).changes == () and "what you changed" in why(plan(view), HANDLER)
    moved = next(one for one in plan(view, address="http://x").changes if one.kind is K.UPDATE)
    assert [one["name"] for one in moved.after["nodes"]][-1] == "Mine"
    again = next(one for one in plan(view, reinstall=True).changes if one.kind is K.UPDATE)
    assert "Mine" not in json.dumps(again.after)


def test_a_new_shipped_version_replaces_the_one_that_nobody_touched() -> None:
    newer = copy.deepcopy(dict(SHIPPED["error-handler"].body))
    newer["nodes"].append(node("New in this version"))
    found = plan_wiring(WISH, {"error-handler": Shipped("error-handler", newer)}, connected())
    assert kinds(found)[:2] == [f"update {HANDLER}", f"publish {HANDLER}"]


def test_a_draft_of_the_handler_is_never_published() -> None:
    drafted = handler(versionId="v2")
    drafted["nodes"] = [*drafted["nodes"], node("Unfinished")]
    view = replace(connected(), workflows=(drafted,))
    found = plan(view)
    assert found.changes == () and "its draft is left alone" in why(found, HANDLER)
    moved = plan(view, address="http://other")
    assert K.PUBLISH not in {one.kind for one in moved.changes}
    assert "publish or discard it" in why(moved, HANDLER)


def test_a_draft_that_we_left_in_a_crash_is_published() -> None:
    saved = handler(versionId="v2", activeVersion={"nodes": [], "connections": {}})
    assert kinds(plan(replace(connected(), workflows=(saved,)))) == [f"publish {HANDLER}", f"proof {CANARY_NAME}"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"isArchived": True}, "archived"),
        ({"tags": [{"id": "t1", "name": "medic:ignore"}]}, "tagged medic:ignore"),
        ({"nodes": [node("E", "errorTrigger")]}, "it has an Error Trigger of its own"),
        ({"settings": {"errorWorkflow": "h1"}}, "it names the error handler already"),
        ({"settings": {"errorWorkflow": "w2"}}, "it has an error workflow already: Other"),
        ({"settings": {"errorWorkflow": "w3"}}, "its error workflow Off is not published"),
        ({"settings": {"errorWorkflow": "gone"}}, "its error workflow is gone (gone)"),
    ],
)
def test_what_is_not_given_the_handler_says_why(more: dict[str, Any], words: str) -> None:
    view = connected(workflow("w1", "Orders", **more), workflow("w2", "Other"), workflow("w3", "Off", active=False))
    found = plan(view)
    assert "error_workflow Orders" not in kinds(found)
    assert words in why(found, "Orders")


def test_replace_takes_the_place_of_another_and_remembers_it() -> None:
    view = connected(workflow("w1", "Orders", settings={"errorWorkflow": "w2"}), workflow("w2", "Other"))
    change = next(one for one in plan(view, replace=True).changes if one.name == "Orders")
    assert (change.before, change.because) == ({"errorWorkflow": "w2"}, "instead of Other")


def test_only_those_that_are_chosen_are_given_it() -> None:
    tagged = workflow("w2", "Till", tags=[{"id": "p", "name": "production"}])
    view = connected(workflow("w1", "Orders"), tagged)
    assert kinds(plan(view, only=("w1",))) == ["error_workflow Orders"]
    assert kinds(plan(view, only=("Till",))) == ["error_workflow Till"]
    assert kinds(plan(view, tagged=("production",))) == ["error_workflow Till"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"settings": None}, "keeps no settings"),
        ({"settings": {"timezone": "DEFAULT"}}, "timezone"),
        ({"settings": {"errorWorkflow": "DEFAULT"}}, "errorWorkflow"),
        ({"settings": {"executionTimeout": -1}}, "executionTimeout"),
        ({"settings": {"credentialResolverId": ""}}, "credentialResolverId"),
        ({"nodes": [node("A", id="")]}, "it has no id"),
        ({"nodes": [node("A", "webhook")]}, "it has no webhook id"),
        ({"nodes": [node("A", color="red")]}, "its API does not take 'color'"),
        ({"nodes": [node("A", credentials={"httpHeaderAuth": {"id": "c1", "name": "old"}})]}, "renamed"),
        ({"nodes": [node("A", credentials={"httpHeaderAuth": {"id": "x", "name": TOKEN}})]}, "renamed or is gone"),
        ({"nodes": [node("A", credentials={"httpHeaderAuth": "by name"})]}, "renamed or is gone"),
    ],
)
def test_what_n8n_would_change_beyond_that_is_left_alone(more: dict[str, Any], words: str) -> None:
    found = plan(connected(workflow("w1", "Orders", **more)))
    assert found.changes == ()
    assert words in why(found, "Orders") and not next(one for one in found.passed if one.name == "Orders").fine


@pytest.mark.parametrize(
    "fine",
    [
        {"settings": {"executionTimeout": 3600, "timezone": "Asia/Seoul", "strange": 1}},
        {"nodes": [node("A", credentials={"httpHeaderAuth": {"id": "c1", "name": TOKEN}})]},
        {"nodes": [node("A", credentials={"httpHeaderAuth": {"id": "gone", "name": "nobody's"}})]},
        {"nodes": [node("A", disabled=True, credentials={"httpHeaderAuth": {"id": "c1", "name": "old"}})]},
    ],
)
def test_what_n8n_keeps_as_it_is_is_wired(fine: dict[str, Any]) -> None:
    assert why_rewritten(workflow("w1", "Orders", **fine), (CREDENTIAL,)) == ""


def test_tags_that_n8n_does_not_have_are_told_of() -> None:
    assert "tag:list" in why(plan(replace(EMPTY, tags=None)), "tags")


def test_a_workflow_whose_credential_is_not_ours_waits_for_it_and_then_finds_it_by_its_name() -> None:
    hook = node("In", "webhook", credentials={"httpHeaderAuth": {"id": None, "name": "n8n-medic alerts"}})
    router = Shipped("router", workflow("r1", "n8n-medic: alert router", hook, active=False))
    shipped, wish = SHIPPED | {"router": router}, replace(WISH, chosen=("error-handler", "router"))
    found = plan_wiring(wish, shipped, connected())
    assert [k for k in kinds(found) if "router" in k] == ["install n8n-medic: alert router"]
    assert "n8n-medic alerts (httpHeaderAuth)" in why(found, "n8n-medic: alert router")
    there = replace(connected(), workflows=(handler(), dict(router.body)))
    assert not kinds(plan_wiring(wish, shipped, there)), "a second run changes nothing"
    made = {"id": "c9", "name": "n8n-medic alerts", "type": "httpHeaderAuth"}
    found = plan_wiring(wish, shipped, replace(there, credentials=(CREDENTIAL, made)))
    assert [k for k in kinds(found) if "router" in k] == [
        "update n8n-medic: alert router",
        "publish n8n-medic: alert router",
    ]
    assert found.changes[0].after["nodes"][0]["credentials"]["httpHeaderAuth"]["id"] == "c9"


def test_names_and_tags_that_fit_nothing_are_told_and_those_that_do_are_not() -> None:
    there = connected(workflow("w1", "Orders", tags=[{"name": "shop"}]), workflow("w2", ["odd"]))  # type: ignore[arg-type]
    assert why_not_chosen(("w1", "Orders"), ("shop",), there) == ""
    told = why_not_chosen(("Ordesr",), ("shpo",), there)
    assert "'Ordesr'" in told and "'shpo'" in told


def test_two_workflows_of_one_name_are_told_apart_by_their_ids() -> None:
    found = plan(connected(workflow("w1", "Orders"), workflow("w2", "Orders"), workflow("w3", "Other")))
    text = "\n".join(show_plan(found))
    assert "Orders (w1)" in text and "Orders (w2)" in text and "w3" not in text


def test_hostile_workflows_break_no_plan() -> None:
    odd: list[Any] = [
        {"id": "x", "name": None, "nodes": None, "settings": [], "tags": "no", "active": "yes"},
        {"id": "y", "name": "Y", "nodes": ["text", {"type": 7, "credentials": []}], "settings": {"errorWorkflow": []}},
        {"id": "z", "name": "Z", "nodes": [{"name": "s", "type": "n.set", "parameters": {"assignments": []}}]},
    ]
    plan(replace(connected(), workflows=(handler(), *odd)))
    cover(tuple(odd))


def test_workflows_of_all_projects_may_call_the_handler() -> None:
    installed = next(one for one in plan(EMPTY).changes if one.kind is K.INSTALL)
    assert installed.after["settings"]["callerPolicy"] == "any"
    by_hand = handler(shared=[{"projectId": "p1"}])
    theirs = workflow("w1", "Orders", shared=[{"projectId": "p2"}], settings={"errorWorkflow": "h1"})
    told = [one for one in plan(replace(connected(theirs), workflows=(by_hand, theirs))).passed if not one.fine]
    assert ["other projects" in one.because for one in told] == [True]
    open_to_all = {**by_hand, "settings": {"callerPolicy": "any"}}
    assert all(one.fine for one in plan(replace(connected(), workflows=(open_to_all, theirs))).passed)


# -- how many are covered


def test_the_covered_are_counted_and_those_whose_handler_never_runs_are_named() -> None:
    rows = (
        handler(),
        workflow("w1", "Good", settings={"errorWorkflow": "h1"}),
        workflow("w2", "Bare"),
        workflow("w3", "Dead", settings={"errorWorkflow": "off"}),
        workflow("off", "Off", active=False),
        workflow("w4", "Unpublished", active=False),
    )
    found = cover(rows)
    assert (found.covered, found.counted, found.bare, found.dead) == (1, 3, ("Bare",), ("Dead",))


# -- what nobody saw the end of


def begun(change: Change, view: WiringView) -> tuple[bool, str]:
    found = settle(replace(view, wired=(Wired(1, change, False),)))[0]
    return found.done, found.target


def test_what_was_begun_is_looked_up_by_what_was_not_there_before() -> None:
    view = connected(workflow("w1", HANDLER))
    credential = replace(MADE[0], target="", before={"ids": []})
    assert begun(credential, view) == (True, "c1")
    assert begun(replace(credential, before={"ids": ["c1"]}), view) == (False, "")
    installed = replace(MADE[1], target="", before={"ids": ["w1"]})
    assert begun(installed, view) == (True, "h1")
    assert begun(replace(installed, before={"ids": ["w1", "h1"]}), view) == (False, "")
    assert begun(replace(MADE[3], target="", before={}), view) == (True, "t1")
    assert begun(replace(MADE[3], target="", before={}), replace(view, tags={})) == (False, "")


def test_an_error_workflow_that_was_begun_is_read_from_the_settings() -> None:
    change = Change(K.ERROR_WORKFLOW, "w1", "Orders", "", "w1", {"errorWorkflow": None}, {"errorWorkflow": "h1"})
    for named, done in (("h1", True), (None, False), ("other", False)):
        view = connected(workflow("w1", "Orders", settings={"errorWorkflow": named}))
        assert begun(change, view)[0] is done
    assert begun(change, connected())[0] is False, "it is gone"


def test_a_token_that_may_not_have_been_written_is_written_again() -> None:
    renewed = Change(K.RENEW, TOKEN, TOKEN, "", "c1", {}, {"secret": "new"})
    view = replace(connected(), wired=(*wired(*MADE), Wired(9, renewed, False)))
    view = settled_view(view, settle(view))
    assert f"renew {TOKEN}" in kinds(plan(view, tokens={TOKEN: "new"}))


# -- and back


def undone(view: WiringView) -> list[tuple[str, str]]:
    return [(one.does, one.wired.change.kind.value) for one in plan_undo(view)]


SET = Change(K.ERROR_WORKFLOW, "w1", "Orders", "", "w1", {"errorWorkflow": None}, {"errorWorkflow": "h1"})


def test_all_is_taken_back_the_last_first() -> None:
    view = connected(workflow("w1", "Orders", settings={"errorWorkflow": "h1"}), wired=wired(*MADE, SET))
    assert undone(view) == [
        ("restore", "error_workflow"),
        ("forget", "proof"),
        ("delete", "tag"),
        ("forget", "publish"),
        ("delete", "install"),
        ("delete", "credential"),
    ]


def test_what_somebody_has_set_since_stays() -> None:
    view = connected(workflow("w1", "Orders", settings={"errorWorkflow": "other"}), wired=wired(*MADE, SET))
    assert undone(view)[0] == ("forget", "error_workflow")
    assert undone(replace(view, workflows=(handler(),)))[0] == ("forget", "error_workflow"), "it is gone"


def test_one_change_upon_another_is_taken_back_to_the_first_state() -> None:
    again = replace(SET, before={"errorWorkflow": "h1"}, after={"errorWorkflow": "h2"})
    view = connected(workflow("w1", "Orders", settings={"errorWorkflow": "h2"}), wired=wired(*MADE, SET, again))
    assert undone(view)[:3] == [("restore", "error_workflow"), ("restore", "error_workflow"), ("forget", "proof")]


def test_what_others_use_by_now_is_kept() -> None:
    tagged = workflow("w2", "Till", tags=[{"id": "t1", "name": "medic:ignore"}])
    using = workflow("w3", "Uses it", node("A", credentials={"httpHeaderAuth": {"id": "c1", "name": TOKEN}}))
    found = {one.wired.change.kind: one for one in plan_undo(connected(tagged, using))}
    assert (found[K.TAG].does, found[K.TAG].because) == ("", "Till has it")
    assert (found[K.CREDENTIAL].does, found[K.CREDENTIAL].because) == ("", "Uses it uses it")


def test_who_has_set_our_handler_by_hand_is_told_that_it_goes() -> None:
    theirs, ours = (workflow(name, name, settings={"errorWorkflow": "h1"}) for name in ("Till", "w1"))
    found = {one.wired.change.kind: one for one in plan_undo(connected(theirs, ours, wired=wired(*MADE, SET)))}
    assert found[K.INSTALL].does == "delete"
    assert found[K.INSTALL].because.endswith("give another error workflow to Till, where a person has set it")


def test_a_handler_that_people_have_changed_is_not_deleted() -> None:
    changed = handler()
    changed["nodes"] = [*changed["nodes"], node("Mine")]
    found = {one.wired.change.kind: one for one in plan_undo(replace(connected(), workflows=(changed,)))}
    assert found[K.INSTALL].does == "" and "you have changed it" in found[K.INSTALL].because


def test_a_handler_that_was_there_before_is_put_back_and_unpublished() -> None:
    before = {"name": HANDLER, **{key: body("http://old")[key] for key in ("nodes", "connections", "settings")}}
    update = Change(K.UPDATE, "error-handler", HANDLER, "", "h1", before, body())
    publish = Change(K.PUBLISH, "error-handler", HANDLER, "", "h1", {"active": False})
    view = replace(connected(), wired=wired(update, publish))
    assert undone(view) == [("unpublish", "publish"), ("restore", "update")]


def test_where_nodes_stand_and_what_n8n_adds_is_no_difference() -> None:
    one, other = body(), body()
    for place, row in enumerate(other["nodes"]):
        row |= {"position": [place, 7], "id": f"new-{place}", "webhookId": "w"}
    assert same_flow(one, other)
    other["nodes"][3]["parameters"]["method"] = "GET"
    assert not same_flow(one, other)


def test_the_webhooks_to_wait_for_are_those_that_are_registered() -> None:
    hook = {"path": "orders", "httpMethod": "POST"}
    nodes = [node("A", "webhook", parameters=hook), node("B", "webhook", parameters=hook, disabled=True)]
    nodes.append(node("C", "webhook", parameters={"path": "x/:id"}))
    assert webhooks_of({"nodes": nodes}) == [("orders", "POST")]
