"""Tells what connecting an n8n would change, what stays as it is, and why."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from recovery.decide.unwiring import Undo
from recovery.model import Change, ChangeKind, Passed, Wiring, without_hidden

SIGNS = {
    ChangeKind.CREDENTIAL: ("+", "credential"),
    ChangeKind.RENEW: ("~", "credential"),
    ChangeKind.TAG: ("+", "tag"),
    ChangeKind.INSTALL: ("+", "workflow"),
    ChangeKind.UPDATE: ("~", "workflow"),
    ChangeKind.PUBLISH: (">", "publish"),
    ChangeKind.ERROR_WORKFLOW: ("~", "error workflow of"),
    ChangeKind.CANARY: ("+", "workflow"),
    ChangeKind.PROOF: ("?", "proof"),
}
UNDONE = {
    "delete": "-", "restore": "~", "unpublish": "<", "forget": " ", "": "!",
}  # fmt: skip
MOST_NAMES = 8


def show_plan(wiring: Wiring) -> Iterator[str]:
    """The lines that tell it."""
    if wiring.changes:
        yield "To be changed in n8n (+ made, ~ changed, > published, ? tried and taken away again):"
    twice = _shared_names(wiring.changes)
    for kind, several in groupby(wiring.changes, key=lambda one: one.kind):
        sign, what = SIGNS[kind]
        if kind is ChangeKind.TAG:
            changes = list(several)
            yield f"  {sign} tags {', '.join(_shown(one.name) for one in changes)}: {changes[0].because}"
        else:
            yield from (f"  {sign} {what} {_called(one, twice)}: {one.because}" for one in several)
    if wiring.passed:
        yield "Left as it is (! worth a look):"
    yield from _passed(wiring.passed)


def _passed(passed: Iterable[Passed]) -> Iterator[str]:
    """One line for each reason, with the names that it is true of."""
    grouped: dict[tuple[bool, str], list[str]] = {}
    for one in passed:
        grouped.setdefault((one.fine, one.because), []).append(_shown(one.name))
    for (fine, because), names in sorted(grouped.items(), key=lambda pair: pair[0]):
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES and fine else ""
        shown = ", ".join(names if not fine else names[:MOST_NAMES])
        yield f"  {' ' if fine else '!'} {shown}{more}: {because}"


def _shared_names(changes: Iterable[Change]) -> set[str]:
    """Names that several workflows of a person's have."""
    known = Counter(one.name for one in changes if one.kind is ChangeKind.ERROR_WORKFLOW)
    return {name for name, number in known.items() if number > 1}


def _called(change: Change, twice: set[str]) -> str:
    shown = _shown(change.name)
    return f"{shown} ({change.target})" if change.name in twice and change.target else shown


def show_undo(plan: Iterable[Undo]) -> Iterator[str]:
    """The lines that tell what is taken back."""
    for one in plan:
        if one.does != "forget":
            _, what = SIGNS[one.wired.change.kind]
            yield f"  {UNDONE[one.does]} {what} {_shown(one.wired.change.name)}: {one.because}"


def show_difference(path: str, old: str, new: str) -> str:
    """A unified diff of a file."""
    rows = difflib.unified_diff(old.splitlines(), new.splitlines(), path, path, lineterm="", n=1)
    return "\n".join(f"  {row}" for row in rows)


def _shown(name: str) -> str:
    return without_hidden(name)[:120]
