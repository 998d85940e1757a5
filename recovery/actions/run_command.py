"""A command on the machine that the worker runs on: how a service is restarted."""

import shlex
import signal
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, model_validator

from recovery.actions import action
from recovery.actions.running import Words, check_words, filled_words, with_output
from recovery.model import About, Done, DoorError, Doors, Failed, Result, ShellResult, fill_in
from recovery.model.durations import Timeout

NOBODY = About("", datetime.min.replace(tzinfo=UTC))


class Args(BaseModel):
    """What to run, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    command: Words | StrictStr = Field(
        description="the program and its arguments as a list; with `shell: true`, one line for the shell",
        examples=[["systemctl", "restart", "orders"]],
    )
    shell: StrictBool = Field(False, description="give the line to `/bin/sh`; off unless pipes or variables are needed")
    timeout: Timeout = Field(
        60.0, description="after this the command is ended, with everything that it started", examples=["90s"]
    )
    env: dict[str, str] = Field(
        default_factory=dict, repr=False, description="environment variables beside PATH, HOME and LANG"
    )
    cwd: str | None = Field(None, description="where to run it; else where n8n-medic runs", examples=["/srv/orders"])

    @model_validator(mode="after")
    def _fits_the_shell(self) -> "Args":
        if self.shell != isinstance(self.command, str):
            raise ValueError("write `command` as a list of words, or as one line together with `shell: true`")
        words = [self.command] if isinstance(self.command, str) else self.command
        check_words(words)
        if any("\0" in text for text in (*self.env, *self.env.values(), self.cwd or "")):
            raise ValueError("nothing may hold a null byte")
        if self.shell and fill_in(words[0], NOBODY) != words[0]:
            raise ValueError("a shell's line takes no fields such as {{component}}: they would become its text")
        return self


def preview(args: Args, doors: Doors, about: About) -> str:
    """The very words that it would run."""
    said = args.command if isinstance(args.command, str) else shlex.join(filled_words(args.command, about))
    place = f" in {args.cwd}" if args.cwd else ""
    return f"run `{said}`{' in a shell' if args.shell else ''}{place}, for at most {args.timeout:g} s"


@action("run_command", safe_to_repeat=True, restarts=True, preview=preview)
def run_command(args: Args, doors: Doors, about: About) -> Result:
    """Runs a command and waits for it: exit code 0 is done, any other, a signal or its timeout is a failure.

    No shell reads the words unless `shell: true` says so. A word may hold `{{component}}`, `{{failure_type}}`,
    `{{severity}}`, `{{incident_id}}`, `{{stage}}`, `{{attempt}}` or `{{link}}`; whatever stands for it stays one word.
    The words are stored and shown to people. A password is taken out of them where its shape or an option of a known
    program tells (`mysql -p...`, `--token ...`), but not where it stands as a plain word, as in `htpasswd -b file user
    ...`: `env`, or a file that the command reads, is the place for it. The environment is built and not inherited, and
    of `env` the names alone are stored and shown; there is nothing on standard input. At its timeout the command and
    everything in its process group is asked to end (TERM) and after 2 seconds ended (KILL). Its output is kept, cut and
    without secrets. A service that the command leaves running in the background stays; it should write its output
    elsewhere (`>/dev/null 2>&1`), as nobody reads it any more. It must be safe to repeat: after a crash of the worker
    it may be run a second time, once every survivor of the first has been ended. Restarting a service is. Whatever it
    does, it counts as a restart of something on this machine, and one such runs there at a time.
    """
    try:
        command = args.command if isinstance(args.command, str) else filled_words(args.command, about)
        ended = doors.shell.run(
            command, shell=args.shell, timeout_seconds=args.timeout, env=dict(args.env), cwd=args.cwd
        )
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)
    if ended.code == 0 and not ended.timed_out:
        return Done(with_output("ended with exit code 0", ended.output, args.env.values()))
    return Failed(with_output(_how_it_failed(args, ended), ended.output, args.env.values()))


def _how_it_failed(args: Args, ended: ShellResult) -> str:
    if ended.timed_out or ended.code is None:
        return f"did not end within {args.timeout:g} s and was ended, with all that it started"
    if ended.code < 0:
        return f"was ended by {_signal_name(-ended.code)}"
    return f"ended with exit code {ended.code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
