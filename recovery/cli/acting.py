"""Has the worker run one action by hand, and follows it to its end."""

import getpass
import json
import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from recovery.clock import utc_now
from recovery.config import Config
from recovery.config.by_hand import choices_of, is_dry, words_of, words_or_name
from recovery.model import About, DoorError, PlannedAction, StepKind, StepState
from recovery.store import database, orders, steps, views_system
from recovery.store.tables import StepRow

LOOK_EVERY, TELL_EVERY = 0.2, 10.0
FINE = (StepState.SUCCEEDED, StepState.SKIPPED)
OPEN = (StepState.QUEUED, StepState.RUNNING)
VERDICTS = {StepState.SUCCEEDED: "healthy", StepState.FAILED: "not healthy"}
CALLED = {
    StepState.SUCCEEDED: "done", StepState.SKIPPED: "not done", StepState.FAILED: "failed",
    StepState.UNKNOWN: "nobody knows whether it happened",
}  # fmt: skip


def read_given(texts: Iterable[str]) -> dict[str, Any]:
    """The arguments that were given: each text is a JSON object, or KEY=VALUE with JSON or plain text as its value.

    Raises:
        ValueError: a text is neither.
    """
    given: dict[str, Any] = {}
    for text in texts:
        if text.lstrip().startswith("{"):
            given |= _read_object(text)
            continue
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ValueError('give KEY=VALUE, or a JSON object such as \'{"timeout": "30s"}\'')
        given[key] = _read_value(value)
    return given


def _read_object(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("what begins with { must be a JSON object") from None
    return found


def _read_value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def list_choices(config: Config, component: str) -> str:
    """What may be run on a component, a line each."""
    policy, about = config.policy(), About(component, utc_now())
    found = [f"  {name}: would {words_or_name(one, about)}" for name, one in choices_of(policy, component).items()]
    return "\n".join(found) or "  nothing is configured for it"


def preview(config: Config, component: str, action: PlannedAction) -> str:
    """What the action would do, word for word, as seen from this machine."""
    from recovery.outside.doors import OpenDoors

    is_dry_run = config.dry_run or is_dry(config.policy(), component, action)
    dry = "\nIt is a dry run (dry_run): nothing is done." if is_dry_run else ""
    check = "" if config.component(component).check else "\nIt has no check: nobody looks afterwards."
    try:
        words = words_of(action, About(component, utc_now()), OpenDoors(config))
    except DoorError as problem:
        return f"{component}: would run {action.name}; what exactly cannot be told from here: {problem}{check}{dry}"
    return f"{component}: would {words}{check}{dry}"


def why_not_run(now: datetime) -> str:
    """Why nobody would carry out an order now, and what to do; "" where a worker lives."""
    trouble = views_system.worker_trouble(now)
    return f"Only a worker runs actions, and none lives: {trouble}. Start it with `medic serve`." if trouble else ""


def give_order(asked: orders.ByHand, note: str) -> int:
    """Give the order, in the name of who is logged in here; its number.

    Raises:
        OrderRefused: an argument that was given is a secret.
    """
    number: int = orders.add_order_by_hand(asked, f"{_who()} (command line)", utc_now(), note).id
    return number


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        return "somebody"


class Follower:
    """Tells what becomes of an order, as it happens."""

    def __init__(self, order_id: int):
        self._order_id = order_id
        self._told: set[tuple[int, str]] = set()
        self._silent = False
        self._wait = threading.Event().wait
        self._looks = 0

    def follow(self) -> bool:
        """Until its end; whether the action was done, or was not needed."""
        while True:
            with database.read():
                order, taken = orders.find_order(self._order_id), steps.find_steps_by_hand(self._order_id)
                self._tell_silence()
            if order is None:
                raise click.ClickException("The order is gone.")
            if order.outcome == "refused":
                click.echo(f"Refused: {order.because}")
                return False
            mine = [step for step in taken if not step.back]
            for step in mine:
                self._tell(step)
            if mine and all(step.state not in OPEN for step in mine):
                return mine[0].state in FINE
            self._wait(LOOK_EVERY)

    def _tell(self, step: StepRow) -> None:
        if step.state == StepState.RUNNING:
            self._tell_progress(step)
        if step.state == StepState.QUEUED or (step.number, step.state) in self._told:
            return
        self._told.add((step.number, step.state))
        if step.state == StepState.RUNNING:
            click.echo(f"{'Looking' if step.kind == StepKind.CHECK else 'Running'}: {step.name}")
        elif step.kind == StepKind.CHECK:
            verdict = VERDICTS.get(StepState(step.state), "as nobody could see")
            click.echo(f"{step.component} is {verdict}: {step.result or step.error or ''}")
        else:
            click.echo(f"{step.name}: {CALLED[StepState(step.state)]}: {step.result or step.error or ''}")

    def _tell_progress(self, step: StepRow) -> None:
        self._looks += 1
        if step.started_at and self._looks % round(TELL_EVERY / LOOK_EVERY) == 0:
            click.echo(f"... {step.name} has been at work for {(utc_now() - step.started_at).total_seconds():.0f} s")

    def _tell_silence(self) -> None:
        """That nothing goes on for now, once."""
        trouble = views_system.worker_trouble(utc_now())
        if trouble and not self._silent:
            click.echo(f"The worker is silent: {trouble}. The order waits for one; start it with `medic serve`.")
        self._silent = bool(trouble)
