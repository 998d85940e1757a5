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
    for one in findings:
        workflow = f"{one.workflow}\n{one.workflow_id}" if one.workflow_id else "n8n itself"
        todo = CAN.get(one.fix, one.todo)
        table.add_row(one.severity.value, workflow, f"{one.rule}\n{one.because}", todo, style=STYLES[one.severity])
    return table


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
