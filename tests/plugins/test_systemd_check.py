"""The check of a systemd unit, against a program that answers like systemctl; `recovery.checks.systemd`."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.model import FailureType, Past
from recovery.outside.shell import Shell

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SYSTEMCTL = """#!/bin/sh
printf '%s\\n' "$@" > "$(dirname "$0")/asked"
. "$(dirname "$0")/answer"
"""


class Doors:
    shell = Shell()


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """Sets what `systemctl show` answers; `.asked` are the words it was called with."""
    program = tmp_path / "systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def answer(active="active", sub="running", restarts=0, result="success", load="loaded"):
        said = f"Result={result}\nNRestarts={restarts}\nLoadState={load}\nActiveState={active}\nSubState={sub}\n"
        (tmp_path / "answer").write_text(f"cat <<'END'\n{said}END\n")

    answer.script = (tmp_path / "answer").write_text
    answer.asked = lambda: (tmp_path / "asked").read_text().splitlines()
    return answer


def look(memory=None, seconds=0, **args):
    plugin = REGISTRY.find("systemd")
    past = Past(NOW + timedelta(seconds=seconds), memory or {})
    return plugin.run(plugin.args.model_validate({"unit": "n8n.service", **args}), Doors(), past)


def test_an_active_unit_is_healthy_and_is_asked_for_by_words(systemctl):
    systemctl()
    reading = look()
    assert (reading.healthy, reading.because, reading.certain) == (True, "is active (running)", False)
    assert systemctl.asked() == [
        "show",
        "--property=LoadState,ActiveState,SubState,NRestarts,Result",
        "--",
        "n8n.service",
    ]
    look(user=True)
    assert systemctl.asked()[0] == "--user"


@pytest.mark.parametrize(
    ("state", "because", "certain"),
    [
        ({"active": "failed", "sub": "failed", "result": "exit-code"}, "is failed: exit-code", True),
        ({"active": "inactive", "sub": "dead"}, "is inactive", False),
        ({"active": "activating", "sub": "start-pre"}, "is still starting (start-pre)", False),
        (
            {"active": "activating", "sub": "auto-restart", "result": "signal"},
            "waits to be restarted after signal",
            False,
        ),
        ({"active": "deactivating", "sub": "stop-sigterm"}, "is deactivating", False),
        ({"active": "inactive", "sub": "dead", "load": "not-found"}, "systemd knows no unit n8n.service", False),
    ],
)
def test_a_unit_that_does_not_work_is_told_in_words(systemctl, state, because, certain):
    systemctl(**state)
    reading = look()
    assert (reading.healthy, reading.failure_type) == (False, FailureType.SERVER_UNRESPONSIVE)
    assert (reading.because, reading.certain) == (because, certain)
    systemctl()
    assert look(memory=reading.memory).healthy


def test_a_unit_that_ended_for_want_of_memory_is_exhausted(systemctl):
    systemctl(active="failed", sub="failed", result="oom-kill")
    assert look().failure_type == FailureType.RESOURCE_EXHAUSTED


def test_a_loop_of_restarts_is_noticed_though_the_unit_is_active_each_time(systemctl):
    memory = None
    for step in range(5):
        systemctl(restarts=step)
        reading = look(memory, step * 60)
        memory = reading.memory
        assert reading.healthy is (step < 4)
    assert reading.because == "restarts in a loop: 4 times within 10m (limit 3)"
    assert reading.failure_type == FailureType.SERVER_UNRESPONSIVE
    assert look(memory, 1_000).healthy
    systemctl(restarts=0)  # somebody restarted it
    assert look(memory, 300).healthy


def test_restarts_from_before_the_first_look_are_no_loop(systemctl):
    systemctl(restarts=400)
    assert look().healthy


def test_a_systemd_that_cannot_be_asked_is_a_failure_with_its_words(systemctl):
    systemctl.script("echo 'Failed to connect to bus: No such file or directory' >&2; exit 1\n")
    reading = look()
    assert (reading.healthy, reading.failure_type) == (False, FailureType.SERVER_UNRESPONSIVE)
    assert reading.because == "systemctl: Failed to connect to bus: No such file or directory"
    systemctl.script("exit 0\n")
    assert look().because == "systemctl: no answer"


def test_a_systemctl_that_hangs_is_ended(systemctl):
    systemctl.script("sleep 60\n")
    begin = time.monotonic()
    assert look(timeout="300ms").because == "systemctl: did not answer within 0.3 s"
    assert time.monotonic() - begin < 5


def test_a_machine_without_systemd_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "cannot start 'systemctl'" in look().because


def test_an_old_systemd_that_counts_no_restarts_is_understood(systemctl):
    systemctl.script("echo LoadState=loaded; echo ActiveState=active; echo SubState=running\n")
    assert look().healthy


@pytest.mark.parametrize(
    "args",
    [
        {"unit": ""},
        {"unit": "--host=evil"},
        {"unit": "a b"},
        {"unit": "a;reboot"},
        {"unit": "$(reboot)"},
        {"unit": "a\n"},
        {"unit": "a/b"},
        {"unit": "a" * 300},
        {"restarts": 0},
        {"restarts": True},
        {"within": 0},
        {"timeout": -1},
    ],
)
def test_arguments_that_make_no_sense_are_refused(args):
    with pytest.raises(ValidationError):
        REGISTRY.find("systemd").args.model_validate({"unit": "n8n.service"} | args)
