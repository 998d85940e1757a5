"""What all rules of an audit share: how they are announced, and how they read a workflow. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recovery.decide.coverage import OURS, error_workflow_of
from recovery.decide.shipped import is_error_handler
from recovery.model import IGNORE_TAG, AuditFacts, AuditFinding, AuditSeverity, Fix, tags_of, without_hidden

__all__ = [
    "Found",
    "Row",
    "Rule",
    "handles_itself",
    "live_of",
    "looked_at",
    "name_of",
    "published",
    "row_of",
    "rules_of",
    "runs_for_failures",
]

Row = Mapping[str, Any]
MOST_NAME = 120


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule has found: of which workflow (None: of n8n itself), what was seen, and what to do.

    Fields:
        severity: where it is another than the rule's own.
    """

    workflow: Row | None
    because: str
    todo: str = ""
    fix: Fix = Fix.NONE
    severity: AuditSeverity | None = None


Look = Callable[[AuditFacts], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that an audit looks for; `about` says in a sentence what, and why it matters."""

    name: str
    severity: AuditSeverity
    about: str
    look: Look

    def findings(self, facts: AuditFacts) -> Iterator[AuditFinding]:
        """What is not as it should be."""
        for one in self.look(facts):
            workflow_id, name = (str(one.workflow.get("id")), name_of(one.workflow)) if one.workflow else ("", "")
            severity, because, todo = one.severity or self.severity, _shown(one.because), _shown(one.todo)
            yield AuditFinding(workflow_id, name, self.name, severity, because, one.fix, todo)


def rules_of(severities: Mapping[Look, AuditSeverity]) -> tuple[Rule, ...]:
    """Each function as a rule: it is called as the function, and its docstring says what it looks for."""
    return tuple(
        Rule(look.__name__, severity, (look.__doc__ or "").strip(), look)  # type: ignore[attr-defined]
        for look, severity in severities.items()
    )


def published(facts: AuditFacts) -> list[Row]:
    """The published workflows by name; what is tagged medic:ignore is nobody's business."""
    return sorted((one for one in facts.workflows if IGNORE_TAG not in tags_of(one)), key=name_of)


def looked_at(facts: AuditFacts) -> Iterator[Row]:
    """The same without those that n8n-medic has brought, whose settings are as they should be."""
    yield from (one for one in published(facts) if not name_of(one).startswith(OURS))


def live_of(workflow: Row) -> Row:
    """The version that runs, which a saved draft may differ from; in an older n8n that is what is saved."""
    live = workflow.get("activeVersion")
    return live if isinstance(live, Mapping) else workflow


def runs_for_failures(workflow: Row) -> bool:
    """Whether n8n runs it as an error workflow: it is published. An older n8n, whose rows know nothing of published
    versions, runs it in any case.
    """
    return bool(workflow.get("active")) or "activeVersionId" not in workflow


def handles_itself(workflow: Row) -> bool:
    """Whether its own Error Trigger hears of its failures: it has one, and names no other workflow."""
    return not error_workflow_of(workflow) and is_error_handler(live_of(workflow))


def row_of(facts: AuditFacts, workflow_id: str) -> Row | None:
    """A workflow, published or not; None where it is gone."""
    published = next((one for one in facts.workflows if str(one.get("id")) == workflow_id), None)
    return published or facts.others.get(workflow_id)


def name_of(workflow: Row) -> str:
    """How people call it."""
    return _shown(str(workflow.get("name"))[:MOST_NAME])


def _shown(text: str) -> str:
    """Fit to be shown and stored: names are what anybody has typed into n8n."""
    return without_hidden(text).encode("utf-8", "replace").decode("utf-8")
