"""Prints the report: tables for people, JSON for programs."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from recovery.analytics.summary import summarize
from recovery.model.durations import write_duration


def print_report(since: datetime, until: datetime, as_json: bool) -> None:
    """Print what happened between two moments."""
    found = summarize(since, until)
    if as_json:
        click.echo(json.dumps(found, default=_as_json, ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False, markup=False)
    console.print(f"From {_show_time(since)} to {_show_time(until)} (UTC)\n")
    for table in (_totals(found), _failures(found), _stages(found), _actions(found)):
        if table.row_count:
            console.print(table)
            console.print()
    if not found["incidents"]["opened"] and not found["executions"].get("broken"):
        console.print("Nothing failed in this time.")


def _as_json(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _show_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table


def _fill(table: Table, rows: Iterable[tuple[Any, ...]]) -> Table:
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)


def _percent(rate: float | None) -> str | None:
    return None if rate is None else f"{rate:.0%}"


def _length(seconds: float | None) -> str | None:
    return None if seconds is None else write_duration(round(seconds, 1 if seconds < 60 else 0))


def _totals(found: dict[str, Any]) -> Table:
    incidents, times, recovery = found["incidents"], found["time_to_recover"], found["recovery"]
    rows = [
        ("Incidents opened", incidents["opened"]),
        ("Incidents resolved", incidents["resolved"]),
        ("Not resolved now", sum(incidents["unresolved_now"].values())),
        ("Recoveries that succeeded", _percent(recovery["success_rate"])),
        ("Mean time to recover", _length(times["mean_seconds"])),
        ("Median time to recover", _length(times["median_seconds"])),
        *((f"Executions {name.replace('_', ' ')}", number) for name, number in found["executions"].items()),
        *((f"Alerts {name.replace('_', ' ')}", number) for name, number in found["alerts"].items()),
    ]
    return _fill(_table("In all", "", "number"), rows)


def _failures(found: dict[str, Any]) -> Table:
    table = _table("Failures", "by type or component", "incidents", "signals")
    by_type = [(row["failure_type"], row["incidents"], row["signals"]) for row in found["failures"]["by_type"]]
    by_component = [(row["component"], row["incidents"], row["signals"]) for row in found["failures"]["by_component"]]
    _fill(table, by_type)
    table.add_section()
    return _fill(table, by_component)


def _stages(found: dict[str, Any]) -> Table:
    stages = found["recovery"]["by_stage"]
    rows = [(row["stage"], row["reached"], row["succeeded"], _percent(row["success_rate"])) for row in stages]
    return _fill(_table("Stages", "stage", "reached", "succeeded", "success"), rows)


def _actions(found: dict[str, Any]) -> Table:
    rows = [
        (row["action"], row["runs"], row["succeeded"], row["failed"], _percent(row["success_rate"]))
        for row in found["recovery"]["by_action"]
    ]
    return _fill(_table("Actions", "action", "runs", "succeeded", "failed", "success"), rows)
