"""What actions that call a manager's own program share: its words, its answer, and what a dry run says of them."""

import shlex

from recovery.model import DoorError, Doors, Failed, NotNeeded, ShellResult

KEPT_CHARACTERS = 600
LOOK_SECONDS = 10.0

Commands = list[list[str]]


def ask(doors: Doors, command: list[str], seconds: float, env: dict[str, str] | None = None) -> ShellResult:
    """How a command ended. Raises DoorError where it did not within its time, or could not begin."""
    ended = doors.shell.run(command, timeout_seconds=seconds, env=env)
    if ended.timed_out or ended.code is None:
        raise DoorError(f"`{shlex.join(command)}` did not end within {seconds:g} s and was ended", "timeout")
    return ended


def words_of(ended: ShellResult) -> str:
    """What it said, as one line without an end too long."""
    said = " ".join(ended.output.split())
    return said if len(said) <= KEPT_CHARACTERS else "[cut] " + said[-KEPT_CHARACTERS:]


def failure(command: list[str], ended: ShellResult, permanent: bool = False) -> Failed:
    """A command that ended with anything but 0."""
    how = f"`{shlex.join(command)}` ended with exit code {ended.code}"
    return Failed(f"{how}: {words_of(ended)}" if words_of(ended) else f"{how}, without a word", permanent)


def would_not(plan: NotNeeded | Failed) -> str:
    """That nothing is to be done, or can be, as a dry run tells it, after "would"."""
    return f"{'fail' if isinstance(plan, Failed) else 'do nothing'}: {plan.why}"


def would(plan: Commands | NotNeeded | Failed, seconds: float) -> str:
    """A plan as a dry run tells it, after "would"."""
    if isinstance(plan, NotNeeded | Failed):
        return would_not(plan)
    told = ", then ".join(f"`{shlex.join(command)}`" for command in plan)
    return f"run {told}, for at most {seconds:g} s{' each' if len(plan) > 1 else ''}"
