"""Ctrl-C, wherever a person presses it: what was done is said, and what to do."""

from typing import Any

import click
import pytest

from recovery.cli import answers, connect_run
from recovery.cli.connect_run import run_connect


def broken_off(monkeypatch: pytest.MonkeyPatch, by: type[BaseException], on_a_terminal: bool = True) -> int:
    def breaks_off(**options: Any) -> int:
        raise by

    monkeypatch.setattr(connect_run, "_run", breaks_off)
    monkeypatch.setattr(answers, "on_a_terminal", lambda: on_a_terminal)
    return run_connect()


def test_at_a_question_nothing_was_changed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert broken_off(monkeypatch, click.Abort) == 1
    assert capsys.readouterr().err == "\nNothing was changed.\n", "a person at a terminal needs no way to do without"


def test_without_a_terminal_the_way_to_do_without_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert broken_off(monkeypatch, click.Abort, on_a_terminal=False) == 1
    assert "Without a terminal: --yes" in capsys.readouterr().err


def test_amid_the_changes_the_same_command_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert broken_off(monkeypatch, KeyboardInterrupt) == 1
    told = capsys.readouterr().err
    assert "is written down" in told and "run the same command again" in told
