"""A message as a mail reader shows it: one column, for a phone, by day and in the dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recovery.alerts.messages.layout import Part, laid_out
from recovery.alerts.messages.words import Words
from recovery.model import AlertKind

__all__ = ["Button", "as_html"]


@dataclass(frozen=True, slots=True)
class Button:
    """Something to press: what it is called, and where it leads."""

    words: str
    link: str


@dataclass(frozen=True, slots=True)
class Tone:
    """The colour of a kind: `dark` on white and under white, `light` on black."""

    dark: str
    light: str


RED, AMBER, GREEN = Tone("#b3261e", "#ff8a80"), Tone("#8f4e00", "#ffb95c"), Tone("#1a6e3c", "#7fd8a0")
BLUE = Tone("#1f5fa8", "#8ec5ff")
LISTS = frozenset({"storm", "held_back", "digest"})  # each row of theirs is about something of its own
COUNTING = frozenset({"storm", "held_back"})  # they count what needs a person, and are as urgent as that
TONES = {
    "opened": AMBER,
    "worsened": AMBER,
    "needs_human": RED,
    "reminder": RED,
    "recovered": GREEN,
    "channel_trouble": RED,
}


def as_html(
    words: Words, language: str, shown: dict[str, Any], title: str, body: str, buttons: Sequence[Button]
) -> str:
    """The HTML of a mail. The buttons come right after the sentence that says what to do."""
    parts = laid_out(body)
    lead = next((part for part in parts if part.lines), None)
    return words.mail(
        language=language,
        title=title,
        preview=shown["message"] if shown["message"] != "-" else " ".join(lead.lines if lead else ()),
        parts=parts,
        lead=lead,
        headings=_headings(parts, lead),
        strong=shown["kind"] in LISTS,
        buttons=list(buttons),
        buttons_after=lead or (parts[-1] if parts else None),
        tone=_tone(shown),
        key=shown["key"],
    )


def _tone(shown: dict[str, Any]) -> Tone:
    if shown["kind"] in COUNTING and shown["needs_human"]:
        return RED
    if shown["kind"] == AlertKind.STORM:
        return GREEN if 0 < shown["count"] <= shown["resolved"] else AMBER
    return TONES.get(shown["kind"], BLUE)


def _headings(parts: list[Part], lead: Part | None) -> list[Part]:
    """Single lines right above rows."""
    pairs = zip(parts, parts[1:], strict=False)
    return [part for part, after in pairs if len(part.lines) == 1 and after.rows and part is not lead]
