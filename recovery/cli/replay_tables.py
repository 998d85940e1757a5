"""A replay in tables for people, and as JSON for programs."""

import json
from collections import Counter
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from recovery.model import Lot

SHOWN = 20
WORDS = {
    Lot.REPLAY: "run again",
    Lot.SUCCEEDED: "succeeded since",
    Lot.RUNNING: "running now",
    Lot.AMBIGUOUS: "may repeat an effect",
    Lot.TAGGED: "tagged no-retry",
    Lot.TOO_OLD: "data gone",
    Lot.INCIDENT: "open incident",
    Lot.LEFT_ALONE: "left alone",
    Lot.OVER_LIMIT: "over --limit",
}


def write_json(found: dict[str, Any]) -> str:
    """A replay as JSON; times in ISO 8601."""
    return json.dumps(found, default=_as_json, ensure_ascii=False, indent=2)


def _as_json(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def print_counts(console: Console, found: dict[str, Any]) -> None:
    """What failed, workflow by workflow, what becomes of it, and why; nothing where it was never counted."""
    total = found["counts"]
    if not total:
        return
    since, until = (f"{found[name]:%Y-%m-%d %H:%M}" for name in ("since", "until"))
    console.print(f"Failed on n8n {found['n8n']} from {since} to {until} (UTC); {found['read']:,} executions read\n")
    if not total.get("failed"):
        console.print("Nothing failed in this time.")
        return
    lots = [lot for lot in Lot if lot is Lot.REPLAY or total.get(lot)]
    table = _table("workflow", "failed", *(WORDS[lot] for lot in lots))
    known = Counter(one["name"] for one in found["workflows"])
    for one in found["workflows"][:SHOWN]:
        name = one["name"] if known[one["name"]] == 1 else f"{one['name']} ({one['id']})"
        table.add_row(name, str(one["failed"]), *(str(one.get(lot, 0)) for lot in lots))
    if len(found["workflows"]) > SHOWN:
        table.add_row(f"and {len(found['workflows']) - SHOWN} more")
    if len(found["workflows"]) > 1:
        table.add_section()
        table.add_row("in all", str(total["failed"]), *(str(total.get(lot, 0)) for lot in lots))
    console.print(table)
    _print_why(console, found["why"])


def _print_why(console: Console, why: list[dict[str, Any]]) -> None:
    if not why:
        return
    table = _table("not run again, because", "executions", "")
    table.columns[2].justify = "left"
    for one in why[:SHOWN]:
        table.add_row(one["because"], str(one["count"]), WORDS[Lot(one["lot"])])
    console.print(table)


def print_outcome(console: Console, found: dict[str, Any]) -> None:
    """What came of it: its counts, what failed again or was left, and what a person may do about that."""
    print_counts(console, found)
    console.print(f"Replay {found['id']} is {found['state']}: {found['because']}")
    left = found["left"]
    if left:
        table = _table("left for you", "workflow", "because")
        for column in table.columns:
            column.justify = "left"
        for one in left[:SHOWN]:
            table.add_row(f"{one['execution_id']} ({one['state'].replace('_', ' ')})", one["workflow"], one["because"])
        console.print()
        console.print(table)
        if len(left) > SHOWN:
            console.print(f"and {len(left) - SHOWN} more: --json lists them")
    if found["counts"].get(Lot.AMBIGUOUS) and found["ambiguous"] == "ask":
        console.print("What may repeat an effect: look at it in n8n; --ambiguous retry runs all of it again.")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table
