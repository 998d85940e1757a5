"""Follows a replay that the worker carries out, asks the person for a yes, and shows what came of it."""

import threading
from itertools import count
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from recovery.analytics.replays import describe, describe_whole
from recovery.cli.itself import medic
from recovery.cli.replay import can_ask
from recovery.cli.replay_tables import print_counts, print_outcome, write_json
from recovery.clock import utc_now
from recovery.model import ReplayState
from recovery.store import database, replays
from recovery.store.tables import ReplayRow

EVERY_SECONDS = 0.4
LINE_EVERY = 25  # looks, where there is no terminal to draw on
INTERRUPTED = 130


class Watch:
    """One replay, watched to its end. Progress goes to standard error, what came of it to standard output.

    Args:
        mine: it was ordered by this very command, so that whoever stops watching before a yes wants none of it.
    """

    def __init__(self, number: int, as_json: bool, yes: bool, mine: bool = False):
        self.number, self.as_json, self.yes, self.mine = number, as_json, yes, mine
        self.told = Console(stderr=True, highlight=False, markup=False)
        self._wait = threading.Event().wait

    def run(self) -> int:
        """Watch to its end; the exit code."""
        try:
            row = self._watch(ReplayState.READING)
            if row.state == ReplayState.ASKING and not self._answer(row):
                return 1
            row = self._watch(ReplayState.READING, ReplayState.ASKING, ReplayState.RUNNING)
        except (KeyboardInterrupt, click.Abort):
            return self._interrupted()
        return self._show(row)

    def _watch(self, *states: ReplayState) -> ReplayRow:
        """Until it is in none of these states any more."""
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        with Progress(*columns, console=self.told, transient=True, disable=not self.told.is_terminal) as shown:
            bar = shown.add_task(f"replay {self.number}", total=None)
            for looks in count():
                row = self._row()
                if row.state not in states:
                    break
                self._draw(shown, bar, row, looks)
                self._wait(EVERY_SECONDS)
        return row

    def _draw(self, shown: Progress, bar: TaskID, row: ReplayRow, looks: int) -> None:
        told = describe(row)["progress"]
        ended = told["recovered"] + told["failed"] + told["left_alone"]
        running = row.state == ReplayState.RUNNING
        shown.update(bar, description=row.because[:90], completed=ended, total=told["total"] if running else None)
        if not self.told.is_terminal and looks % LINE_EVERY == LINE_EVERY - 1:
            self.told.print(f"replay {row.id}: {row.because}")

    def _row(self) -> ReplayRow:
        """As it is now. A database that is away for a moment is asked again."""
        while True:
            try:
                row = replays.find_replay(self.number)
            except database.TROUBLE as problem:
                database.close_broken(problem)
                self._wait(EVERY_SECONDS)
                continue
            if row is None:
                raise click.ClickException(f"there is no replay {self.number} any more")
            return row

    def _answer(self, row: ReplayRow) -> bool:
        print_counts(self.told, describe_whole(row))
        if not (self.yes or can_ask()):
            self.told.print(f"It waits for a yes: {medic()} replay --follow {self.number} --yes")
            return False
        if self.yes or click.confirm(f"Run {row.counts['total']['replay']} again?", default=False, err=True):
            replays.say_yes(self.number, utc_now())
            return True
        self._leave(row)
        return False

    def _interrupted(self) -> int:
        row = self._row()
        self.told.print()
        if row.ended_at is None:
            self._leave(row)
        return INTERRUPTED

    def _leave(self, row: ReplayRow) -> None:
        """Nobody watches it any more. What this command has ordered ends where there was no yes; the rest goes on."""
        if self.mine and row.yes_at is None:
            replays.ask_to_cancel(self.number, row.who, utc_now())
            self.told.print("Nothing was run again.")
            return
        if row.yes_at is None:
            self.told.print(f"Replay {self.number} of {row.who} is left as it is: nothing is run again without a yes.")
        else:
            self.told.print(f"Replay {self.number} goes on in the worker.")
        self.told.print(f"  follow it:  {medic()} replay --follow {self.number}")
        self.told.print(f"  stop it:    {medic()} replay --cancel {self.number}")

    def _show(self, row: ReplayRow) -> int:
        found = describe_whole(row)
        if self.as_json:
            click.echo(write_json(found))
        else:
            print_outcome(Console(highlight=False, markup=False), found)
        return 0 if _went_well(found) else 1


def _went_well(found: dict[str, Any]) -> bool:
    told = found["progress"]
    return found["state"] == ReplayState.DONE and told["recovered"] == told["total"]
