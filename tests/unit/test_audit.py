"""The rules of `medic audit`, each on values: what it finds, and what it leaves alone."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recovery.alerts.messages.phrases import said_in
from recovery.checks.auditing import read_audit
from recovery.cli.audit_words import show_audit
from recovery.decide.auditing import RULES, audit, reaches, to_fix
from recovery.model import Audit, AuditFacts, AuditFinding, AuditPlan, AuditSeverity, Fix, HandlerRun, N8nError
from tests.n8n import workflows as w

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
LEFT_ENGLISH = re.compile(r"\b(it|its|is|the|that|or|and|not|has|was|of|more|in)\b")
OLDER = Path(__file__).parents[1] / "n8n" / "fixtures" / "older" / "workflows-1.113.3.json"
EVIL = "\u202eevil\x00\ud800 <script>[bold]name[/]"


def row(workflow_id: str, *nodes: dict[str, Any], tags: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """A published workflow as n8n lists it, with nothing to complain about unless told otherwise."""
    settings = {"errorWorkflow": "handler", "executionTimeout": 60, **more.pop("settings", {})}
    found = {"id": workflow_id, "name": workflow_id, "active": True, "settings": settings, "nodes": list(nodes)}
    return found | {"tags": [{"name": one} for one in tags], "versionId": "v", "activeVersionId": "v", **more}


def trigger(**more: Any) -> dict[str, Any]:
    return w.node("Error Trigger", "errorTrigger", 1, {}, **more)


def handler(workflow_id: str = "handler", **more: Any) -> dict[str, Any]:
    """A published error workflow that tells n8n-medic."""
    tell = w.http("Tell", "http://medic:8808/webhooks/n8n-error", "POST")
    return row(workflow_id, trigger(), tell, tags=("medic:ignore",), **{"settings": {"errorWorkflow": ""}, **more})


def facts(*workflows: dict[str, Any], **more: Any) -> AuditFacts:
    rows = workflows if more.pop("alone", False) else (*workflows, handler())
    return AuditFacts("default", NOW, workflows=rows, **more)


def found(rule: str, given: AuditFacts) -> list[Any]:
    return [one for one in audit(given).findings if one.rule == rule]


def test_an_n8n_with_nothing_wrong_has_no_findings_and_all_points() -> None:
    made = audit(facts(row("orders", w.no_op())))
    assert (made.findings, made.score, made.workflows, made.handler) == ((), 100, 1, "handler")


def test_a_workflow_without_an_error_workflow_is_unwired_and_can_be_given_one() -> None:
    bare = row("orders", settings={"errorWorkflow": ""})
    default, itself = (
        row("b", settings={"errorWorkflow": "DEFAULT"}),
        row("c", trigger(), settings={"errorWorkflow": ""}),
    )
    ours, ignored = row("d", name="n8n-medic: watchdog", settings={}), row("e", tags=("medic:ignore",), settings={})
    ours["settings"] = ignored["settings"] = None
    told = found("unwired", facts(bare, default, itself, ours, ignored))
    assert [(one.workflow_id, one.fix, one.severity) for one in told] == [
        ("b", Fix.ERROR_WORKFLOW, AuditSeverity.BAD),
        ("orders", Fix.ERROR_WORKFLOW, AuditSeverity.BAD),
    ]
    alone = found("unwired", facts(bare, alone=True))
    assert alone[0].fix is Fix.NONE and "medic connect" in alone[0].todo, "there is none to be given"


def test_an_error_trigger_in_a_draft_alone_does_not_hear() -> None:
    draft = row("a", trigger(), settings={"errorWorkflow": ""}, activeVersion={"nodes": [w.no_op()]})
    off = row("b", trigger(disabled=True), settings={"errorWorkflow": ""})
    assert [one.workflow_id for one in found("unwired", facts(draft, off))] == ["a", "b"]


def test_an_error_workflow_that_is_gone_archived_unpublished_or_cannot_begin() -> None:
    names = ("gone", "archived", "off", "no-trigger")
    users = [row(f"uses-{one}", settings={"errorWorkflow": one}) for one in names]
    others = {"gone": None, "archived": row("archived", isArchived=True, active=False), "off": row("off", active=False)}
    given = facts(*users, row("no-trigger", w.no_op()), others=others)
    told = {(one.workflow_id, one.rule, one.fix) for one in audit(given).findings}
    assert told == {
        ("uses-gone", "error_workflow_gone", Fix.ERROR_WORKFLOW),
        ("uses-archived", "error_workflow_gone", Fix.ERROR_WORKFLOW),
        ("uses-off", "error_workflow_unpublished", Fix.NONE),
        ("uses-no-trigger", "error_workflow_without_trigger", Fix.NONE),
    }
    assert audit(given).score == 33, "four of six: n8n itself, and the workflow without a trigger, have nothing"


def test_an_error_trigger_that_is_only_saved_is_told_with_what_to_do() -> None:
    saved = row("late", trigger(), versionId="new", activeVersion={"nodes": [w.no_op()]})
    told = found("error_workflow_without_trigger", facts(row("a", settings={"errorWorkflow": "late"}), saved))
    assert "its draft has one: publish that" in told[0].because


def test_an_older_n8n_runs_error_workflows_that_are_not_published_and_is_not_told_otherwise() -> None:
    """As n8n 1.113.3 lists them: it has no published versions, and ran "Tell the companion" for "Orders"."""
    rows = json.loads(OLDER.read_text())["data"]
    others = {one["id"]: one for one in rows if not one["active"]}
    given = facts(*(one for one in rows if one["active"]), others=others, alone=True)
    told = {(one.workflow, one.rule) for one in audit(given).findings if one.severity is AuditSeverity.BAD}
    assert told == {("Mute", "error_workflow_without_trigger"), ("Unwired", "unwired")}


def test_what_could_not_be_looked_at_is_not_called_gone() -> None:
    unknown = facts(row("a", settings={"errorWorkflow": "elsewhere"}), unseen=(("error_workflow_gone", "forbidden"),))
    assert [one.rule for one in audit(unknown).findings] == ["not_looked_at"]
    assert "error_workflow_gone could not be looked at: forbidden" in audit(unknown).findings[0].because


@pytest.mark.parametrize(
    ("settings", "may"),
    [
        ({}, True),
        ({"callerPolicy": "any"}, True),
        ({"callerPolicy": "none"}, False),
        ({"callerPolicy": "workflowsFromAList", "callerIds": "x, a"}, True),
        ({"callerPolicy": "workflowsFromAList", "callerIds": "aa,b"}, False),
        ({"callerPolicy": "workflowsFromAList"}, False),
    ],
)
def test_who_may_call_an_error_workflow(settings: dict[str, Any], may: bool) -> None:
    strict = handler("strict", settings={"errorWorkflow": "", **settings})
    assert bool(found("error_workflow_forbidden", facts(row("a", settings={"errorWorkflow": "strict"}), strict))) != may


@pytest.mark.parametrize(
    ("policy", "project", "may"),
    [("", "p1", True), ("", "p2", False), ("workflowsFromSameOwner", "p2", False), ("any", "p2", True), ("", "", True)],
)
def test_by_default_only_workflows_of_its_project_may_call_an_error_workflow(
    policy: str, project: str, may: bool
) -> None:
    shared = [{"projectId": "p1"}]
    settings = {"errorWorkflow": ""} | ({"callerPolicy": policy} if policy else {})
    strict = handler("strict", settings=settings, shared=shared)
    user = row("a", settings={"errorWorkflow": "strict"}, shared=[{"projectId": project}] if project else None)
    assert bool(found("error_workflow_forbidden", facts(user, strict))) != may


def test_an_error_workflow_whose_last_run_failed_is_bad_and_is_given_to_nobody() -> None:
    failed = {"handler": HandlerRun("77", "2026-11-29T11:00:00.000Z", True)}
    made = audit(facts(row("a", settings={"errorWorkflow": ""}), runs=failed))
    told = {one.rule: one for one in made.findings}
    assert "execution 77, 2026-11-29T11:00" in told["error_workflow_fails"].because
    assert told["error_workflow_fails"].workflow_id == "handler"
    assert (told["unwired"].fix, made.handler, made.score) == (Fix.NONE, "", 0)
    good = {"handler": HandlerRun("77", "2026-11-29T11:00:00.000Z", False)}
    assert audit(facts(row("a"), runs=good)).findings == ()


def test_an_error_workflow_that_tells_others_is_only_mentioned_and_ours_is_chosen_first() -> None:
    mail = row("mail", trigger(), tags=("medic:ignore",))
    made = audit(facts(row("a", settings={"errorWorkflow": "mail"}), mail))
    assert [(one.workflow_id, one.rule, one.severity) for one in made.findings] == [
        ("mail", "error_workflow_elsewhere", AuditSeverity.INFO)
    ]
    assert made.score == 100
    second = handler("second")
    assert audit(facts(second)).handler == "second"
    assert audit(facts(second, ours=("handler",))).handler == "handler"


@pytest.mark.parametrize(
    ("left", "severity", "words"),
    [
        (timedelta(days=15), None, ""),
        (timedelta(days=13), AuditSeverity.WARN, "ends in 13d"),
        (timedelta(days=2), AuditSeverity.BAD, "ends in 2d"),
        (timedelta(seconds=-1), AuditSeverity.BAD, "has ended"),
    ],
)
def test_a_key_that_ends(left: timedelta, severity: AuditSeverity | None, words: str) -> None:
    told = found("key_ends", facts(key_ends=NOW + left))
    assert [one.severity for one in told] == ([severity] if severity else [])
    assert all(words in one.because and "medic connect" in one.todo for one in told)


def test_an_n8n_that_cannot_be_asked_has_no_points_and_one_reason() -> None:
    made = audit(AuditFacts("default", NOW, "the connection was refused"))
    assert (made.score, [one.rule for one in made.findings]) == (0, ["not_reached"])
    ended = audit(AuditFacts("default", NOW, "n8n refused the API key", NOW - timedelta(days=1)))
    assert [one.rule for one in ended.findings] == ["key_ends"], "the cause, not what follows from it"


def test_failures_that_are_not_saved() -> None:
    rows = [row(one, settings={"saveDataErrorExecution": one}) for one in ("none", "all", "DEFAULT")]
    assert [one.workflow_id for one in found("failures_not_saved", facts(*rows))] == ["none"]


def test_dead_webhooks_and_schedules_can_be_published_again_ours_too() -> None:
    ours = row("ours", name="n8n-medic: watchdog")
    given = facts(row("a"), ours, webhooks={"a": ("POST x", "GET x")}, schedules={"ours": "ran never", "gone": "x"})
    told = [(one.workflow_id, one.rule, one.because) for one in to_fix(audit(given))]
    assert told == [
        ("a", "webhook_dead", "not registered: POST x, GET x"),
        ("ours", "schedule_stopped", "its schedule has stopped: ran never"),
    ]
    both = facts(row("a"), webhooks={"a": ("POST x",)}, schedules={"a": "late"})
    assert len(audit(both).findings) == 2 and len(to_fix(audit(both))) == 1, "it is published again once"


def test_a_broken_credential_is_told_of_each_workflow_that_uses_it() -> None:
    used = {"credentials": {"githubApi": {"id": "c1", "name": "x"}}}
    rows = [
        row("a", w.node("N", "github", 1, {}, **used)),
        row("b", w.node("N", "github", 1, {}, disabled=True, **used)),
    ]
    told = found("credential_broken", facts(*rows, row("c"), credentials={"c1": "GitHub (githubApi, Unauthorized)"}))
    assert [(one.workflow_id, one.because) for one in told] == [
        ("a", "its credential GitHub (githubApi, Unauthorized) does not work")
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, []),
        ({"keeps_seconds": 12 * 3600.0}, ["n8n keeps executions for 12h, and they are retried for 1d"]),
        ({"keeps_count": 1000, "begun": 950}, ["n8n keeps 1000 executions, and saved 950 or more in the last 1d"]),
        ({"keeps_count": 1000, "begun": 850}, []),
        ({"keeps_count": 0, "begun": 10**9}, []),
        ({"ending": tuple("abcde")}, ["n8n will soon delete 5 failures that nobody retried: a, b, c and 2 more"]),
    ],
)
def test_pruning_too_early(more: dict[str, Any], words: list[str]) -> None:
    told = [one.because for one in found("prunes_early", facts(**more))]
    assert len(told) == len(words) and all(one.startswith(start) for one, start in zip(told, words, strict=True))


def test_a_workflow_that_writes_says_by_a_tag_whether_it_may_be_retried() -> None:
    post = w.http("Pay", "http://x/", "POST")
    keyed = w.http("Pay", "http://x/", "POST")
    keyed["parameters"]["headerParameters"] = {"parameters": [{"name": "Idempotency-Key", "value": "={{ $json.id }}"}]}
    others = [
        row("get", w.http("Get", "http://x/")),
        row("keyed", keyed),
        row("off", {**post, "disabled": True}),
        row("code", w.code("return []"), w.call_workflow("x"), w.node("T", "slackTrigger", 1, {})),
        row("reads", w.node("S", "slack", 2, {"operation": "getAll"})),
        *(row(tag, post, tags=(tag,)) for tag in ("medic:no-retry", "medic:retry-safe", "medic:retry-from-start")),
        row("draft", post, activeVersion={"nodes": []}),
        row("handler of errors", trigger(), post),
    ]
    tell = w.node("Tell", "slack", 2, {"operation": "post"})
    told = found("may_repeat", facts(row("pay", post, tags=("other",)), row("tell", tell), *others))
    assert [(one.workflow_id, one.severity) for one in told] == [
        ("pay", AuditSeverity.WARN),
        ("tell", AuditSeverity.WARN),
    ]


def test_a_workflow_without_a_time_limit() -> None:
    rows = [row(str(limit), settings={"executionTimeout": limit}) for limit in (None, -1, 0, "x", 30)]
    assert [one.workflow_id for one in found("no_timeout", facts(*rows))] == ["-1", "0", "None", "x"]


def test_names_are_shown_without_what_deceives_the_eye() -> None:
    evil = row("a", settings={"errorWorkflow": ""}, name=EVIL)
    told = audit(facts(evil)).findings[0]
    assert told.workflow == "evil <script>[bold]name[/]"
    assert audit(facts({"id": 7, "name": None, "nodes": "x", "settings": 5, "tags": 1})).findings[0].workflow == "None"


def test_the_score_counts_a_warning_as_half_and_the_worst_comes_first() -> None:
    bad = row("z", settings={"errorWorkflow": ""})
    made = audit(facts(row("a", w.http("Pay", "http://x/", "POST")), bad, row("c")))
    assert [one.workflow_id for one in made.findings] == ["z", "a"]
    assert (made.score, made.workflows) == (62, 3), "n8n itself and c have all, a has half, z nothing: 2.5 of 4"


def test_what_is_the_same_of_many_workflows_is_one_row_and_the_worst_comes_first(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    same = [AuditFinding(f"w{n}", f"Flow {n}", "no_timeout", AuditSeverity.INFO, "no limit") for n in range(12)]
    show_audit(
        Audit("default", NOW, 12, 90, (*same, AuditFinding("w1", "Flow 1", "unwired", AuditSeverity.BAD, "none")))
    )
    text = " ".join(capsys.readouterr().out.split())
    assert text.count("no_timeout") == 1 and "12 workflows: Flow 0, Flow 1," in text and "Flow 8" not in text
    assert text.index("unwired") < text.index("no_timeout")


def test_a_limit_is_reached_by_what_is_as_bad_or_worse() -> None:
    findings = audit(facts(row("a", w.http("Pay", "http://x/", "POST")))).findings
    assert [reaches(findings, one) for one in AuditSeverity] == [False, True, True]


def test_every_rule_has_a_name_of_its_own_and_says_what_it_finds() -> None:
    assert len({one.name for one in RULES}) == len(RULES) == 17
    assert all(one.about.endswith(".") and "\n" not in one.about for one in RULES)


# -- what is read


def door(**ways: Any) -> Any:
    """An n8n with one workflow; what is asked of it otherwise is forbidden."""

    def forbidden(*_: Any, **__: Any) -> Any:
        raise N8nError("the API key needs the scope x:y", "forbidden", permanent=True)

    usual = {"key_ends": lambda: None, "readiness": lambda: "", "published_workflows": lambda: [row("a")]}
    names = ("workflow", "executions", "credentials", "test_credential", "webhook_methods")
    return SimpleNamespace(site="default", **(dict.fromkeys(names, forbidden) | usual | ways))


PLAN = AuditPlan("default", 86_400.0)


def test_a_key_that_may_do_little_gets_an_audit_of_what_it_may_see() -> None:
    made = audit(read_audit(door(), PLAN, (), NOW))
    told = {one.because.split(" could")[0] for one in made.findings}
    assert told == {"error_workflow_gone", "error_workflow_fails", "credential_broken", "prunes_early"}
    assert {one.rule for one in made.findings} == {"not_looked_at"}


def test_an_n8n_that_is_not_ready_or_refuses_the_key_is_the_one_finding() -> None:
    unready = audit(read_audit(door(readiness=lambda: "n8n is not ready"), PLAN, (), NOW))
    assert [one.because for one in unready.findings] == ["n8n is not ready"]

    def refuse() -> Any:
        raise N8nError("n8n refused the API key", "auth", permanent=True)

    refused = audit(read_audit(door(published_workflows=refuse), PLAN, (), NOW))
    assert [one.because for one in refused.findings] == ["n8n refused the API key"]


def executions(newest: int, older: int | None, step: int = 1) -> Any:
    def pages(status: str = "", workflow_id: str = "", limit: int = 100, started_before: str = "", **_: Any) -> Any:
        if status or workflow_id:
            return [], ""
        if started_before:
            return ([{"id": str(older)}] if older else []), ""
        return [{"id": str(newest - place * step)} for place in range(250)], ""

    return pages


@pytest.mark.parametrize(
    ("newest", "older", "step", "begun"),
    [(20_000, 15_000, 1, 5_000), (20_000, 15_000, 2, 2_500), (20_000, None, 1, 20_000), (20_000, 19_999, 1, 1)],
)
def test_how_much_n8n_has_begun_of_late_is_told_by_its_numbers(newest: int, older: int, step: int, begun: int) -> None:
    made = read_audit(door(executions=executions(newest, older, step)), PLAN, (), NOW)
    assert made.begun == begun


def test_the_settings_of_n8n_are_known_from_its_configured_checks() -> None:
    plan = AuditPlan("default", 86_400.0, {"n8n_pruning": {"max_age": "12h", "max_count": 50}})
    made = read_audit(door(executions=executions(5, None)), plan, (), NOW)
    assert (made.keeps_seconds, made.keeps_count) == (43_200.0, 50)


def test_only_runs_for_a_failure_say_how_an_error_workflow_does() -> None:
    def runs(status: str = "", workflow_id: str = "", **_: Any) -> Any:
        rows = [
            {"id": "3", "mode": "manual", "status": "error", "stoppedAt": "x"},
            {"id": "2", "mode": "error", "status": "crashed", "stoppedAt": "x", "startedAt": "t"},
            {"id": "1", "mode": "error", "status": "success", "stoppedAt": "x"},
        ]
        return (rows if workflow_id == "handler" else []), ""

    made = read_audit(door(executions=runs), PLAN, ("ours",), NOW)
    assert made.runs == {"handler": HandlerRun("2", "t", True)}


def test_credentials_that_hang_or_cannot_be_tried_are_not_blamed() -> None:
    names = ("good", "bad", "hangs", "odd", "away", "gone")
    answers = {"good": (True, ""), "bad": (False, "Unauthorized"), "odd": (False, "No testing function found for this")}
    answers |= {"away": (False, "ECONNREFUSED"), "gone": None}

    def test(credential_id: str) -> Any:
        if credential_id == "hangs":
            raise N8nError("it did not answer", "timeout")
        return answers[credential_id]

    used = row("a", w.node("N", "github", 1, {}, credentials={one: {"id": one} for one in names}))
    listed = [{"id": one, "name": one, "type": "githubApi"} for one in names]
    n8n = door(credentials=lambda: listed, test_credential=test, published_workflows=lambda: [used])
    made = read_audit(n8n, PLAN, (), NOW)
    assert made.credentials == {"bad": "bad (githubApi, Unauthorized)"}


def everything_at_once() -> AuditFacts:
    """An n8n of which every rule has something to say, but that it cannot be asked."""
    names = ("gone", "archived", "off", "no-trigger", "late", "closed", "away")
    users = [row(f"uses-{one}", settings={"errorWorkflow": one}) for one in names]
    bad = row("bad", w.http("Pay, then post", "http://a", "POST"), w.http("B", "http://a", "POST"), settings={
        "errorWorkflow": "", "executionTimeout": -1, "saveDataErrorExecution": "none",
    })  # fmt: skip
    for node in bad["nodes"]:
        node["credentials"] = {"api": {"id": "k1"}}
    late = row("late", trigger(), versionId="new", activeVersion={"nodes": [w.no_op()]})
    closed = handler("closed", settings={"errorWorkflow": "", "callerPolicy": "none"})
    away = row("away", trigger())
    return facts(
        *users, bad, late, closed, away, row("no-trigger", w.no_op()),
        others={"gone": None, "archived": row("archived", isArchived=True), "off": row("off", active=False)},
        key_ends=NOW + timedelta(days=2), runs={"handler": HandlerRun("12", "2026-11-29T10:00:00.000Z", True)},
        webhooks={"bad": ("GET a", "POST b, c", "GET d", "GET e")},
        schedules={"bad": "bad (has no execution, was due at 2026-11-29 10:00 UTC)"},
        credentials={"k1": "Shop (httpHeaderAuth, Unauthorized)"},
        ending=("12 of workflow w1 (in 3 h)", "13 of workflow w1 (by number)"),
        keeps_seconds=3_600.0, keeps_count=100, begun=99, replay_seconds=86_400.0,
        unseen=(("webhook_dead", "the API key of n8n at http://n8n:5678 needs the scope workflow:read"),),
    )  # fmt: skip


def test_each_finding_and_what_to_do_about_it_is_told_in_korean() -> None:
    made = audit(everything_at_once()).findings
    trouble = ("n8n at http://n8n:5678 cannot be reached: the connection was refused", "the audit itself broke: boom")
    for one in (*trouble, "n8n at http://n8n:5678 is not ready: it answered 503"):
        made += audit(AuditFacts("default", NOW, one)).findings
    made += audit(AuditFacts("default", NOW, "refused", NOW - timedelta(days=1))).findings
    assert {one.rule for one in made} == {one.name for one in RULES}, "each rule has something to say"
    told = {text for one in made for text in (one.because, one.todo) if text and not text.startswith("medic connect")}
    english = {text: said_in("ko", text) for text in told if LEFT_ENGLISH.search(said_in("ko", text))}
    assert english == {}
    assert all(re.search("[가-힣]", said_in("ko", text)) for text in told)
