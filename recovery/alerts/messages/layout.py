"""What a message's text consists of, for readers that show more than lines: paragraphs, and rows with a label."""

from dataclasses import dataclass
from itertools import groupby

__all__ = ["Part", "laid_out"]

BULLET = "• "


@dataclass(frozen=True, slots=True)
class Part:
    """Lines that belong together.

    Fields:
        rows: label and value of each line that began with a bullet; a label may be "".
        lines: of a paragraph; a part has either rows or lines.
    """

    rows: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()


def laid_out(body: str) -> list[Part]:
    """The parts of a text. Every value in it is one line, so nothing in one can pretend to be another part."""
    found = []
    for block in body.split("\n\n"):
        for is_rows, group in groupby(filter(None, block.splitlines()), lambda line: line.startswith(BULLET)):
            lines = tuple(group)
            found.append(Part(rows=tuple(map(_row, lines))) if is_rows else Part(lines=lines))
    return found


def _row(line: str) -> tuple[str, str]:
    label, colon, value = line.removeprefix(BULLET).partition(": ")
    return (label, value) if colon else ("", label)
