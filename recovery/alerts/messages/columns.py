"""A message for readers that show text as it is: terminals, and mail read in one."""

import unicodedata
from collections.abc import Iterator

__all__ = ["WIDTH", "in_columns"]

WIDTH = 72
INDENT = "  "


def in_columns(text: str, width: int = WIDTH) -> str:
    """The text in lines of at most `width` columns, of which Korean letters take two each.

    What continues a line is indented. Words are not broken, so that an address stays one to click.
    """
    return "\n".join(piece for line in text.split("\n") for piece in _broken(line, width))


def _broken(line: str, width: int) -> Iterator[str]:
    if _columns(line) <= width:
        yield line
        return
    held = ""
    for word in line.split(" "):
        longer = f"{held} {word}" if held else word
        if held.strip() and _columns(longer) > width:
            yield held
            longer = f"{INDENT}{word}"
        held = longer
    yield held


def _columns(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    marks = sum(unicodedata.combining(letter) > 0 for letter in text)
    return len(text) + wide - marks
