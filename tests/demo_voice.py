"""How the demo speaks: in colour and at a reader's pace on a terminal, plain and brisk everywhere else."""

import sys
import time

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

WIDTH = 96
MARKS = {"we": ("▸", "bold yellow"), "medic": ("✚", "bold green"), "so": (" ", "bold"), "aside": (" ", "dim")}


class Voice:
    """Prints the story.

    Args:
        hurried: no pauses for a reader.
    """

    def __init__(self, hurried: bool):
        known = Console()
        self._console = Console(highlight=False, width=min(WIDTH, known.width) if known.is_terminal else WIDTH)
        self._slow = known.is_terminal and not hurried
        self._began = time.monotonic()

    def chapter(self, title: str, *words: str) -> None:
        """Begin a part of the tour; its clock begins at 0."""
        self._console.print()
        self._console.rule(Text(title, style="bold cyan"), align="left", style="cyan")
        self.tell(*words)
        self._began = time.monotonic()

    def tell(self, *words: str) -> None:
        """Explain."""
        for text in words:
            self._console.print(Padding(Text(text), (0, 0, 0, 1)))
            self.pause(0.025 * len(text))

    def we(self, text: str) -> None:
        """What the demo does."""
        self._line("we", text)
        self.pause(1.0)

    def medic(self, text: str) -> None:
        """What n8n-medic does."""
        self._line("medic", text)
        self.pause(0.4)

    def so(self, text: str) -> None:
        """What came of it."""
        self._line("so", text)
        self.pause(1.5)

    def _line(self, kind: str, text: str) -> None:
        mark, style = MARKS[kind]
        row = Table.grid(padding=(0, 1))
        row.add_column(width=7, justify="right", style="dim")
        row.add_column(width=1)
        row.add_column(overflow="fold")
        words = Text(text, style="bold" if kind == "so" else "")
        row.add_row(f"{time.monotonic() - self._began:.1f} s", Text(mark, style=style), words)
        self._console.print(row)

    def message(self, title: str, text: str, style: str = "yellow") -> None:
        """A message, whole and word for word."""
        frame = box.ROUNDED if self._console.is_terminal else box.ASCII
        self._console.print(Panel(Text(text.strip()), title=Text(title), title_align="left", box=frame, style=style))
        self.pause(2.5)

    def pause(self, seconds: float) -> None:
        """Time to read."""
        sys.stdout.flush()
        if self._slow:
            time.sleep(min(seconds, 4.0))
