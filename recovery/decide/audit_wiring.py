"""The rules of an audit about error workflows: does anybody hear of a failure? Pure."""

from collections.abc import Iterator, Mapping

from recovery.decide.audit_rule import (
    Found,
    Row,
    handles_itself,
    live_of,
    looked_at,
    name_of,
    row_of,
    rules_of,
    runs_for_failures,
)
from recovery.decide.coverage import error_workflow_of, has_draft, projects_of
from recovery.decide.shipped import calls_back, is_error_handler
from recovery.model import AuditFacts, AuditSeverity, Fix

__all__ = ["WIRING_RULES", "pick_handler"]

BY_HAND = "choose another one in its Settings > Error workflow, or medic connect --replace"


def pick_handler(facts: AuditFacts) -> str:
    """The error workflow that others are given: what connect has made, else one that tells n8n-medic; "" for none."""
    good = [one for one in facts.workflows if is_error_handler(live_of(one)) and not _last_run_failed(facts, one)]
    ours = [one for one in good if str(one.get("id")) in facts.ours]
    found = ours or [one for one in good if calls_back(live_of(one))]
    return str(found[0].get("id")) if found else ""


def unwired(facts: AuditFacts) -> Iterator[Found]:
    """It names no error workflow and has no Error Trigger: nobody is told at once when it fails."""
    for workflow in looked_at(facts):
        if not error_workflow_of(workflow) and not handles_itself(workflow):
            yield _rewire(facts, workflow, "it names no error workflow")


def error_workflow_gone(facts: AuditFacts) -> Iterator[Found]:
    """The error workflow that it names was deleted or archived: n8n runs nothing when it fails."""
    for workflow, named in _wired(facts):
        row = row_of(facts, named)
        if named in facts.others and row is None:
            yield _rewire(facts, workflow, f"its error workflow is gone ({named[:64]})")
        elif row is not None and row.get("isArchived"):
            yield _rewire(facts, workflow, f"its error workflow {name_of(row)} is archived")


def error_workflow_unpublished(facts: AuditFacts) -> Iterator[Found]:
    """The error workflow that it names is not published: n8n never runs it, and says so in its log alone."""
    for workflow, named in _wired(facts):
        row = row_of(facts, named)
        if row is not None and not runs_for_failures(row) and not row.get("isArchived"):
            because = f"its error workflow {name_of(row)} is not published, so that n8n never runs it"
            yield Found(workflow, because, f"publish {name_of(row)} in n8n, or {BY_HAND}")


def error_workflow_without_trigger(facts: AuditFacts) -> Iterator[Found]:
    """What is live of the error workflow that it names has no Error Trigger that is switched on: it cannot begin."""
    for workflow, named in _wired(facts):
        row = row_of(facts, named)
        if row is not None and runs_for_failures(row) and not is_error_handler(live_of(row)):
            draft = "; its draft has one: publish that" if has_draft(row) and is_error_handler(row) else ""
            because = f"its error workflow {name_of(row)} has no Error Trigger in its published version{draft}"
            yield Found(workflow, because, f"give {name_of(row)} an Error Trigger and publish it, or {BY_HAND}")


def error_workflow_forbidden(facts: AuditFacts) -> Iterator[Found]:
    """The error workflow that it names says in its settings that this workflow may not call it."""
    for workflow, named in _wired(facts):
        row = row_of(facts, named)
        if row is not None and named != str(workflow.get("id")) and not _may_call(row, workflow):
            because = f"the settings of its error workflow {name_of(row)} do not let it be called by this one"
            yield Found(workflow, because, f"change {name_of(row)}: Settings > This workflow can be called by")


def error_workflow_fails(facts: AuditFacts) -> Iterator[Found]:
    """The error workflow itself failed when n8n last ran it: what it should have told, nobody has heard."""
    for named, run in sorted(facts.runs.items()):
        row = row_of(facts, named)
        if row is not None and run.failed:
            because = f"its last run failed (execution {run.execution_id[:20]}, {run.at[:16]}): its calls do not arrive"
            yield Found(row, because, "look at that execution in n8n; medic connect --renew writes our token anew")


def error_workflow_elsewhere(facts: AuditFacts) -> Iterator[Found]:
    """The error workflow does not tell n8n-medic: it hears of these failures only when it asks n8n, every 30 s."""
    for named in sorted({named for _, named in _wired(facts)} - set(facts.ours)):
        row = row_of(facts, named)
        if row is None or not runs_for_failures(row):
            continue
        if is_error_handler(live_of(row)) and not calls_back(live_of(row)):
            because = "it does not tell n8n-medic, which hears of failures only when it asks n8n"
            yield Found(row, because, "add an HTTP Request to /webhooks/n8n-error, or leave it so")


def _wired(facts: AuditFacts) -> Iterator[tuple[Row, str]]:
    """Workflows, each with the error workflow that it names."""
    for workflow in looked_at(facts):
        if named := error_workflow_of(workflow):
            yield workflow, named


def _rewire(facts: AuditFacts, workflow: Row, because: str) -> Found:
    handler = pick_handler(facts)
    if not handler or handler == str(workflow.get("id")):
        return Found(workflow, because, f"medic connect --name {facts.site}, or choose one in its settings")
    return Found(workflow, because, fix=Fix.ERROR_WORKFLOW)


def _last_run_failed(facts: AuditFacts, workflow: Row) -> bool:
    run = facts.runs.get(str(workflow.get("id")))
    return run is not None and run.failed


def _may_call(handler: Row, workflow: Row) -> bool:
    """Whether n8n lets a workflow call the handler; by default those of its own project alone."""
    settings = handler.get("settings")
    policy = settings.get("callerPolicy") if isinstance(settings, Mapping) else None
    if policy in ("any", "none"):
        return bool(policy == "any")
    if policy == "workflowsFromAList":
        listed = str(settings.get("callerIds") or "") if isinstance(settings, Mapping) else ""
        return str(workflow.get("id")) in [one.strip() for one in listed.split(",")]
    here, there = projects_of(handler), projects_of(workflow)
    return not here or not there or bool(here & there)


WIRING_RULES = rules_of(
    {
        unwired: AuditSeverity.BAD,
        error_workflow_gone: AuditSeverity.BAD,
        error_workflow_unpublished: AuditSeverity.BAD,
        error_workflow_without_trigger: AuditSeverity.BAD,
        error_workflow_forbidden: AuditSeverity.BAD,
        error_workflow_fails: AuditSeverity.BAD,
        error_workflow_elsewhere: AuditSeverity.INFO,
    }
)
