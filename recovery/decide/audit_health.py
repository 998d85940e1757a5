"""The rules of an audit about what can be healed, and about what has stopped without a word. Pure."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from recovery.decide.audit_rule import Found, Row, live_of, looked_at, published, rules_of
from recovery.decide.replay import FROM_START, NO_RETRY, RETRY_SAFE
from recovery.decide.shipped import is_error_handler
from recovery.model import AuditFacts, AuditSeverity, Fix, tags_of
from recovery.model.durations import write_duration
from recovery.model.n8n_nodes import may_write

__all__ = ["HEALTH_RULES"]

KEY_SOON, KEY_AT_ONCE = timedelta(days=14), timedelta(days=3)
NEAR = 0.9  # of the number that n8n keeps
MOST_TOLD = 3
SAYS = (NO_RETRY, RETRY_SAFE, FROM_START)


def not_reached(facts: AuditFacts) -> Iterator[Found]:
    """n8n cannot be asked at all: nothing else of it can be looked at."""
    if facts.trouble and not _has_ended(facts):
        yield Found(None, facts.trouble, f"medic doctor says what is missing; medic connect --name {facts.site}")


def key_ends(facts: AuditFacts) -> Iterator[Found]:
    """The API key ends soon, or has ended: from then on nothing is polled and nothing is retried."""
    left = facts.key_ends - facts.now if facts.key_ends else None
    if left is None or left >= KEY_SOON:
        return
    ended = left <= timedelta(0)
    told = "has ended" if ended else f"ends in {write_duration(max(60, round(left.total_seconds() / 60) * 60))}"
    severity = AuditSeverity.BAD if left < KEY_AT_ONCE else AuditSeverity.WARN
    todo = f"make a new key in n8n (Settings > n8n API), then medic connect --name {facts.site}"
    yield Found(None, f"the API key {told} ({facts.key_ends:%Y-%m-%d %H:%M} UTC)", todo, severity=severity)


def failures_not_saved(facts: AuditFacts) -> Iterator[Found]:
    """It does not save failed executions: there is nothing to look at, and nothing to retry."""
    for workflow in looked_at(facts):
        if _settings(workflow).get("saveDataErrorExecution") == "none":
            todo = "in its Settings: Save failed production executions > Save"
            yield Found(workflow, "it does not save its failed executions", todo)


def webhook_dead(facts: AuditFacts) -> Iterator[Found]:
    """It is published, and n8n has not registered a webhook of it: callers get 404."""
    for workflow in published(facts):
        if dead := facts.webhooks.get(str(workflow.get("id"))):
            yield Found(workflow, f"not registered: {_some(dead)}", fix=Fix.REPUBLISH)


def schedule_stopped(facts: AuditFacts) -> Iterator[Found]:
    """It is published, and its schedule should have run and did not."""
    for workflow in published(facts):
        if because := facts.schedules.get(str(workflow.get("id"))):
            yield Found(workflow, f"its schedule has stopped: {because}", fix=Fix.REPUBLISH)


def credential_broken(facts: AuditFacts) -> Iterator[Found]:
    """A credential that it uses was refused when n8n tried it: it fails at its next run."""
    for workflow in looked_at(facts):
        for one in sorted(_credentials(workflow) & facts.credentials.keys()):
            todo = "renew it in n8n: Credentials"
            yield Found(workflow, f"its credential {facts.credentials[one]} does not work", todo)


def prunes_early(facts: AuditFacts) -> Iterator[Found]:
    """n8n deletes failed executions before anybody has retried them."""
    todo = "let n8n keep more (EXECUTIONS_DATA_MAX_AGE, EXECUTIONS_DATA_PRUNE_MAX_COUNT), or retry them"
    wanted = write_duration(round(facts.replay_seconds))
    if facts.keeps_seconds < facts.replay_seconds:
        kept = write_duration(round(facts.keeps_seconds))
        yield Found(None, f"n8n keeps executions for {kept}, and they are retried for {wanted} (replay.max_age)", todo)
    if facts.keeps_count and facts.begun is not None and facts.begun > facts.keeps_count * NEAR:
        because = f"n8n keeps {facts.keeps_count} executions, and saved {facts.begun} or more in the last {wanted}"
        yield Found(None, f"{because}: older failures are gone before they can be retried", todo)
    if facts.ending:
        because = f"n8n will soon delete {len(facts.ending)} failures that nobody retried: {_some(facts.ending)}"
        yield Found(None, because, todo)


def may_repeat(facts: AuditFacts) -> Iterator[Found]:
    """It writes, and no tag says whether it may be retried: a person is asked whenever that is not clear."""
    for workflow in looked_at(facts):
        if is_error_handler(live_of(workflow)):
            continue  # what handles failures is not retried itself
        nodes = [node for node in _nodes(workflow) if not node.get("disabled") and may_write(node)]
        if nodes and not tags_of(workflow) & set(SAYS):
            names = _some(tuple(str(node.get("name"))[:60] for node in nodes))
            todo = f"tag it {RETRY_SAFE}, {FROM_START} or {NO_RETRY}, or send an Idempotency-Key"
            yield Found(workflow, f"{names} may write, and no tag says whether a retry does harm", todo)


def no_timeout(facts: AuditFacts) -> Iterator[Found]:
    """It has no time limit of its own: a run that hangs holds its place for ever, unless n8n itself sets a limit."""
    for workflow in looked_at(facts):
        limit = _settings(workflow).get("executionTimeout")
        if not isinstance(limit, int | float) or limit <= 0:
            yield Found(workflow, "it has no time limit", "in its Settings: Timeout workflow")


def not_looked_at(facts: AuditFacts) -> Iterator[Found]:
    """Something could not be looked at: the audit says nothing of it."""
    for rule, why in facts.unseen:
        yield Found(None, f"{rule} could not be looked at: {why}", "give the API key what it lacks, or look again")


def _has_ended(facts: AuditFacts) -> bool:
    return facts.key_ends is not None and facts.key_ends <= facts.now


def _settings(workflow: Row) -> Mapping[str, Any]:
    settings = workflow.get("settings")
    return settings if isinstance(settings, Mapping) else {}


def _nodes(workflow: Row) -> list[Row]:
    nodes = live_of(workflow).get("nodes")
    return [one for one in nodes if isinstance(one, Mapping)] if isinstance(nodes, list) else []


def _credentials(workflow: Row) -> set[str]:
    """The ids of those that what is live of it uses."""
    given = [node.get("credentials") for node in _nodes(workflow) if not node.get("disabled")]
    used = [one for row in given if isinstance(row, Mapping) for one in row.values() if isinstance(one, Mapping)]
    return {str(one.get("id")) for one in used if one.get("id")}


def _some(words: tuple[str, ...]) -> str:
    more = f" and {len(words) - MOST_TOLD} more" if len(words) > MOST_TOLD else ""
    return ", ".join(words[:MOST_TOLD]) + more


HEALTH_RULES = rules_of(
    {
        not_reached: AuditSeverity.BAD,
        key_ends: AuditSeverity.WARN,
        failures_not_saved: AuditSeverity.BAD,
        webhook_dead: AuditSeverity.BAD,
        schedule_stopped: AuditSeverity.BAD,
        credential_broken: AuditSeverity.BAD,
        prunes_early: AuditSeverity.WARN,
        may_repeat: AuditSeverity.WARN,
        no_timeout: AuditSeverity.INFO,
        not_looked_at: AuditSeverity.INFO,
    }
)
