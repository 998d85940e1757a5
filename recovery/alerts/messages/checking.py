"""Finds what is wrong with a user's templates before an alert needs them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from recovery.alerts.messages import render
from recovery.alerts.messages.clean import one_line
from recovery.alerts.messages.samples import sample_facts
from recovery.alerts.messages.words import LANGUAGES, names_of_files
from recovery.model import AlertKind

__all__ = ["template_problems"]

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_URL = "https://medic.example.com"


def template_problems(folder: Path) -> list[str]:
    """A sentence for each thing in the folder that could not be used; [] where all of it can.

    Every kind of message is made in every language, of much and of little that is known.
    """
    if not folder.is_dir():
        return [f"there is no folder {str(folder)!r}"]
    known = names_of_files()
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    unknown = [
        f"{one_line(name, 100)}: no message is made of it; there are {', '.join(known)}"
        for name in found
        if name not in known and not Path(name).name.startswith((".", "README"))
    ]
    return unknown + list(dict.fromkeys(_faults(folder)))


def _faults(folder: Path) -> Iterator[str]:
    for language in LANGUAGES:
        for kind in AlertKind:
            full = sample_facts(kind, _NOW, language, _URL)
            for facts in (full, {"kind": kind}, full | {"test": True, "link": f"{_URL}/decide/x"}):
                yield from render(facts, language, key="key", now=_NOW, templates=folder).faults
