"""Audits an n8n: what was seen of it in, what is not as it should be out, with a score. Pure."""

from collections.abc import Iterable, Sequence

from recovery.decide.audit_health import HEALTH_RULES
from recovery.decide.audit_rule import looked_at
from recovery.decide.audit_wiring import WIRING_RULES, pick_handler
from recovery.model import Audit, AuditFacts, AuditFinding, AuditSeverity, Fix

__all__ = ["RULES", "audit", "reaches", "to_fix"]

RULES = (*WIRING_RULES, *HEALTH_RULES)
RANK = {AuditSeverity.BAD: 0, AuditSeverity.WARN: 1, AuditSeverity.INFO: 2}
COSTS = {AuditSeverity.BAD: 1.0, AuditSeverity.WARN: 0.5, AuditSeverity.INFO: 0.0}


def audit(facts: AuditFacts) -> Audit:
    """All findings, those of n8n itself first, then workflow by workflow, the worst first."""
    found = [one for rule in RULES for one in rule.findings(facts)]
    worst: dict[str, int] = {}
    for one in found:
        worst[one.workflow_id] = min(RANK[one.severity], worst.get(one.workflow_id, len(RANK)))
    found.sort(key=lambda one: (one.workflow_id != "", worst[one.workflow_id], *_place(one)))
    ids = [str(one.get("id")) for one in looked_at(facts)]
    score = 0 if facts.trouble else _score(found, ids)
    return Audit(facts.site, facts.now, len(ids), score, tuple(found), pick_handler(facts))


def _place(one: AuditFinding) -> tuple[str, str, int, str]:
    return one.workflow, one.workflow_id, RANK[one.severity], one.rule


def _score(found: Iterable[AuditFinding], workflows: Sequence[str]) -> int:
    lost = dict.fromkeys(("", *workflows), 0.0)
    for one in found:  # what is wrong with an error workflow is wrong with n8n as a whole
        subject = one.workflow_id if one.workflow_id in lost else ""
        lost[subject] = max(lost[subject], COSTS[one.severity])
    return int(100 * (1 - sum(lost.values()) / len(lost)))


def to_fix(found: Audit) -> list[AuditFinding]:
    """What n8n-medic can do something about; of each workflow each fix once."""
    fixes: dict[tuple[str, Fix], AuditFinding] = {}
    for one in found.findings:
        if one.fix:
            fixes.setdefault((one.workflow_id, one.fix), one)
    return list(fixes.values())


def reaches(found: Iterable[AuditFinding], limit: AuditSeverity) -> bool:
    """Whether anything is as bad as that, or worse."""
    return any(RANK[one.severity] <= RANK[limit] for one in found)
