"""A message for readers that show text as it is: terminals, and mail read in one."""

from collections.abc import Iterator

from rich.cells import cell_len

__all__ = ["WIDTH", "in_columns"]

WIDTH = 72
INDENT = "  "


def in_columns(text: str, width: int = WIDTH) -> str:
    """The text in lines of at most `width` columns, of which Korean letters take two each.

    What continues a line is indented. Words are not broken, so that an address stays one to click.
    """
    return "\n".join(piece for line in text.split("\n") for piece in _broken(line, width))


def _broken(line: str, width: int) -> Iterator[str]:
    if cell_len(line) <= width:
        yield line
        return
    held = ""
    for word in line.split(" "):
        longer = f"{held} {word}" if held else word
        if held.strip() and cell_len(longer) > width:
            yield held
            longer = f"{INDENT}{word}"
        held = longer
    yield held
