"""The action that runs a command, with real processes; `recovery.actions.run_command`."""

import time

import pytest
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, Failed, ShellResult
from recovery.outside.shell import Shell

ABOUT = About("orders; reboot", utc_now(), incident_id=7)
PLUGIN = REGISTRY.find("run_command")


class Doors:
    shell = Shell()


def run(**args):
    return PLUGIN.run(PLUGIN.args.model_validate(args), Doors(), ABOUT)


def test_exit_code_zero_is_done():
    assert run(command=["echo", "restarted"]) == Done("the command ended with exit code 0; it said:\nrestarted")
    assert run(command=["true"]) == Done("the command ended with exit code 0, without a word")


def test_any_other_exit_code_is_a_failure_with_what_was_said():
    answer = run(command="echo no such unit; exit 5", shell=True)
    assert answer == Failed("the command ended with exit code 5; it said:\nno such unit")


def test_a_signal_is_a_failure():
    assert run(command="kill -9 $$", shell=True) == Failed("the command was ended by SIGKILL, without a word")


def test_a_timeout_is_a_failure():
    begin = time.monotonic()
    answer = run(command=["sleep", "60"], timeout="200ms")
    assert answer == Failed(
        "the command did not end within 0.2 s and was ended, with all that it started, without a word"
    )
    assert time.monotonic() - begin < 2


def test_a_command_that_ended_in_order_after_its_deadline_has_failed():
    class Late:
        class shell:  # noqa: N801
            run = staticmethod(lambda *args, **more: ShellResult(0, "goodbye", timed_out=True))

    assert isinstance(PLUGIN.run(PLUGIN.args(command=["x"]), Late(), ABOUT), Failed)


def test_a_program_that_does_not_exist_is_a_permanent_failure():
    answer = run(command=["no-such-program"])
    assert answer == Failed("cannot start 'no-such-program': No such file or directory", permanent=True)


def test_long_output_keeps_its_end():
    answer = run(command="yes line | head -n 5000; echo THE END", shell=True)
    assert answer.detail.endswith("THE END")
    assert len(answer.detail) < 4_200


def test_the_environment_and_the_place_are_given(tmp_path):
    answer = run(command="echo $GREETING $PWD", shell=True, env={"GREETING": "hi"}, cwd=str(tmp_path))
    assert answer.detail.endswith(f"hi {tmp_path}")


def test_secrets_do_not_get_into_the_record():
    answer = run(command=["echo", "password=hunter2"])
    assert "hunter2" not in answer.detail


def test_the_values_of_the_environment_are_not_shown():
    answer = run(
        command="echo $SESSION; echo x${SESSION}y >&2; exit 1", shell=True, env={"SESSION": "hunter2", "A": "1"}
    )
    assert answer == Failed("the command ended with exit code 1; it said:\n[redacted]\nx[redacted]y")
    assert "hunter2" not in repr(PLUGIN.args(command=["true"], env={"A": "hunter2"}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"command": []},
        {"command": "systemctl restart orders"},
        {"command": ["systemctl"], "shell": True},
        {"command": ""},
        {"command": "  ", "shell": True},
        {"command": ["  "]},
        {"command": ["kill", 9]},
        {"command": ["a\0b"]},
        {"command": None},
        {"env": {"A": 5}},
        {"env": {"A": "\0"}},
        {"timeout": 0},
        {"shell": "yes"},
        {"cwd": "\0"},
    ],
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate({"command": ["true"]} | wrong)


def preview(**args):
    return PLUGIN.preview(PLUGIN.args.model_validate(args), None, ABOUT)


def test_a_field_becomes_one_word_whatever_it_holds():
    assert run(command=["printf", "[%s]", "{{component}}", "{{ incident_id }}"]) == Done(
        "the command ended with exit code 0; it said:\n[orders; reboot][7]"
    )


@pytest.mark.parametrize("text", ["{{.Names}}", "{{json .}}", "{component}", "$component"])
def test_what_is_no_field_of_ours_stays_as_it_is(text):
    assert text in run(command=["echo", text]).detail


def test_a_field_that_there_is_not_is_refused():
    with pytest.raises(ValidationError, match="there is no field {{cause}}; there are component"):
        PLUGIN.args.model_validate({"command": ["echo", "{{cause}}"]})


def test_a_shell_takes_no_fields():
    with pytest.raises(ValidationError, match="a shell's line takes no fields"):
        PLUGIN.args.model_validate({"command": "echo {{component}}", "shell": True})


def test_a_dry_run_tells_the_very_words_and_runs_nothing():
    assert preview(command=["systemctl", "restart", "{{component}}"], cwd="/srv") == (
        "run `systemctl restart 'orders; reboot'` in /srv, for at most 60 s"
    )
    assert preview(command="a | b", shell=True, timeout="5s") == "run `a | b` in a shell, for at most 5 s"
