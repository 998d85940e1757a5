"""Tries what people would be told: sends a marked message over a channel, or shows one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recovery.alerts import REGISTRY
from recovery.alerts.messages import Message, render
from recovery.alerts.messages.checking import template_problems
from recovery.alerts.messages.samples import sample_facts
from recovery.alerts.previews import preview
from recovery.clock import utc_now
from recovery.config import Config
from recovery.model import ChannelPlan, DoorError

LARGEST_FACTS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try: whether the channel took it, and what it said."""

    taken: bool
    text: str


def faults_of_templates(config: Config) -> list[str]:
    """What is wrong with the user's own templates."""
    return template_problems(config.alerts.templates) if config.alerts.templates else []


def channels_of(config: Config, names: tuple[str, ...], every: bool) -> list[ChannelPlan]:
    """The channels that are meant.

    Raises:
        KeyError: one is not configured; those that are are listed.
    """
    plans = config.channel_plans()
    listed = ", ".join(plan.name for plan in plans) or "none"
    for name in names:
        if name not in {plan.name for plan in plans}:
            raise KeyError(f"no channel named {name!r} is configured; there are: {listed}")
    chosen = [plan for plan in plans if every or plan.name in names]
    if not chosen:
        raise KeyError(f"which channel? Give --channel NAME, or --all; there are: {listed}")
    return chosen


def try_channel(config: Config, plan: ChannelPlan, kind: str, language: str) -> Tried:
    """Send one message, which says that it is a test, over the channel."""
    from recovery.outside.doors import OpenDoors

    now, spoken = utc_now(), language or config.alerts.language
    facts = sample_facts(kind, now, spoken) | {"test": True, "link": f"{config.public_url}/", **_zone(config)}
    facts |= {"channel": plan.name} if kind == "test" else {}
    key = f"test.{int(now.timestamp())}.{plan.name}"
    message = render(facts, spoken, key=key, now=now, templates=config.alerts.templates)
    try:
        done = REGISTRY.find(plan.kind).run(config.channel_args(plan.name), message, OpenDoors(config))
    except DoorError as problem:
        return Tried(False, f"{plan.name} ({plan.kind}): NOT TAKEN ({problem.kind}): {problem}{_hint(problem)}")
    except Exception as problem:  # as the outbox sees a channel that breaks
        return Tried(False, f"{plan.name} ({plan.kind}): NOT TAKEN: {type(problem).__name__}: {problem}")
    return Tried(True, f"{plan.name} ({plan.kind}): taken: {done.detail}")


def _hint(problem: DoorError) -> str:
    if problem.retry_after_seconds is not None:
        return f"\n    it asks for {problem.retry_after_seconds:g} s of patience"
    return "\n    trying again cannot help: correct the channel's settings" if problem.permanent else ""


def made_up(config: Config, kind: str, language: str, file: Path | None) -> Message:
    """A message of made-up facts, or of those in a JSON file.

    Raises:
        ValueError: the file holds no facts of an alert.
    """
    now, spoken = utc_now(), language or config.alerts.language
    facts = _read_facts(file) if file else sample_facts(kind, now, spoken, config.public_url) | _zone(config)
    return render(facts, language, key="preview", now=now, templates=config.alerts.templates)


def _zone(config: Config) -> dict[str, Any]:
    return {"timezone": config.alerts.timezone}


def show(message: Message, channel: str) -> str:
    """The message as that kind of channel gets it, or "html" for the HTML of a mail.

    Raises:
        KeyError: there is no such kind of channel.
    """
    return message.html if channel == "html" else preview(message, channel)


def _read_facts(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            found = json.loads(opened.read(LARGEST_FACTS))
    except OSError as error:
        raise ValueError(f"cannot read {str(file)!r}: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"{str(file)!r} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{str(file)!r} must hold one JSON object, the facts of an alert")
    return found
