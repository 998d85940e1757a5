"""Shows an audit: one table of what is not as it should be, and the score above it."""

import json
from collections.abc import Sequence

import click
from rich import box
from rich.console import Console
from rich.table import Table

from recovery.decide.audit_rule import Rule
from recovery.model import Audit, AuditFinding, AuditSeverity, Fix

STYLES = {AuditSeverity.BAD: "bold red", AuditSeverity.WARN: "yellow", AuditSeverity.INFO: "dim"}
MOST_NAMES = 8
CAN = {Fix.ERROR_WORKFLOW: "--fix sets the error workflow", Fix.REPUBLISH: "--fix publishes the live version again"}


def show_audit(found: Audit) -> None:
    """Print it."""
    console = Console(highlight=False, markup=False)
    counted = {one: sum(row.severity is one for row in found.findings) for one in AuditSeverity}
    words = ", ".join(f"{number} {one.value}" for one, number in counted.items() if number) or "nothing found"
    console.print(f"n8n {found.site}: score {found.score} of 100, {found.workflows} published workflows; {words}")
    if found.findings:
        console.print(_table(found.findings))


def _table(findings: Sequence[AuditFinding]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True)
    for column, share in (("", 0), ("Workflow", 2), ("What was found", 4), ("What to do", 3)):
        table.add_column(column, overflow="fold", ratio=share or None, no_wrap=not share)
    for alike in _alike(findings):
        one = alike[0]
        todo = CAN.get(one.fix, one.todo)
        found = f"{one.rule}\n{one.because}"
        table.add_row(one.severity.value, _workflows(alike), found, todo, style=STYLES[one.severity])
    return table


def _alike(findings: Sequence[AuditFinding]) -> list[list[AuditFinding]]:
    """What is the same of several workflows together, the worst first."""
    groups: dict[tuple[str, ...], list[AuditFinding]] = {}
    for one in findings:
        groups.setdefault((one.severity, one.rule, one.because, one.fix, one.todo), []).append(one)
    worst_first = list(AuditSeverity)
    return sorted(groups.values(), key=lambda alike: worst_first.index(alike[0].severity))


def _workflows(alike: Sequence[AuditFinding]) -> str:
    """One with its id; of several the names, for --json has the rest."""
    if len(alike) == 1:
        one = alike[0]
        return f"{one.workflow}\n{one.workflow_id}" if one.workflow_id else "n8n itself"
    more = f" and {len(alike) - MOST_NAMES} more" if len(alike) > MOST_NAMES else ""
    return f"{len(alike)} workflows: {', '.join(one.workflow for one in alike[:MOST_NAMES])}{more}"


def show_rules(rules: Sequence[Rule], as_json: bool) -> None:
    """Print what is looked for."""
    if as_json:
        rows = [{"rule": one.name, "severity": one.severity.value, "about": one.about} for one in rules]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("", "Rule", "What is found"):
        table.add_column(column, no_wrap=column != "What is found")
    for one in rules:
        table.add_row(one.severity.value, one.name, one.about)
    Console(highlight=False, markup=False).print(table)
