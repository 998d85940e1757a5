"""The report of a day or a week for people: how much failed, how much of it was healed, and what is worth a change."""

from datetime import datetime
from typing import Any

from recovery.store import audits, report, report_items

MOST_TOP, MOST_ITEMS, MOST_ADVICE = 5, 50, 5
OFTEN = 5


def count_period(period: str, since: datetime, until: datetime) -> dict[str, Any]:
    """Count what failed at or after `since` and before `until`, and what became of it so far.

    `healed`: it is resolved and nobody was called; `needs_human`: a person was called; `healed_share` is between 0 and
    1, None where nothing failed. `failing`: what needs a person now, whenever it opened. `items`: what was told to
    nobody one by one: low severity, or healed quietly. `findings`: what audits found in the range for the first time,
    of which there are `found`.
    """
    by_type = report_items.count_by_type(since, until)
    failed, healed = sum(one["count"] for one in by_type), sum(one["healed"] for one in by_type)
    top = [
        {"component": component, "count": count}
        for component, count, _ in report.count_failures("component", since, until)[:MOST_TOP]
    ]
    found, findings = audits.find_new_findings(since, until, MOST_ITEMS)
    return {
        "period": period,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "failed": failed,
        "healed": healed,
        "needs_human": report_items.count_called(since, until),
        "healed_share": round(healed / failed, 4) if failed else None,
        "by_type": by_type,
        "top": top,
        "failing": report_items.find_needing(MOST_ITEMS),
        "items": report_items.find_quiet(since, until, MOST_ITEMS),
        "advice": advise(top, report_items.count_advice(since, until, MOST_ADVICE)),
        "found": found,
        "findings": findings,
    }


def advise(top: list[dict[str, Any]], told: list[tuple[str, str, int]]) -> list[str]:
    """What would save the most work: the advice of what failed most often, then what keeps failing.

    Args:
        told: component, the advice of its incidents, and how many had it; most first.
    """
    found = [f"{component}: {advice}" for component, advice, _ in told]
    named = {component for component, _, _ in told}
    found += [
        f"{one['component']} failed {one['count']} times: its cause is worth a look"
        for one in top
        if one["count"] >= OFTEN and one["component"] not in named
    ]
    return found[:MOST_ADVICE]
