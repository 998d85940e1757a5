"""Who is told next of what needs a person, and when: steps of the escalation, then reminders, until it is answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recovery.decide.hours import on_call
from recovery.model import AlertPolicy, ChannelPlan, EscalationStep

__all__ = ["CallView", "begin_call", "channels_of", "due_at", "next_step", "reached"]

LONGEST_PAUSE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CallView:
    """How far a call for a person has come.

    Fields:
        steps: how many steps of the escalation were taken.
        told_at: when people were last told of it.
    """

    called_at: datetime
    told_at: datetime
    steps: int = 0
    reminders: int = 0


def begin_call(policy: AlertPolicy) -> int:
    """How many steps are taken together with the call itself: those without a delay."""
    taken = 0
    for step in policy.escalation:
        if step.after_seconds > 0:
            break
        taken += 1
    return taken


def due_at(call: CallView, policy: AlertPolicy) -> datetime:
    """When somebody is told again, if nobody has acknowledged by then."""
    pause = timedelta(seconds=policy.remind_seconds * 2 ** min(call.reminders, 20))
    reminder = call.told_at + min(
        max(pause, timedelta(seconds=60)), max(LONGEST_PAUSE, timedelta(seconds=policy.remind_seconds))
    )
    if call.steps >= len(policy.escalation):
        return reminder
    return min(reminder, call.called_at + timedelta(seconds=policy.escalation[call.steps].after_seconds))


def next_step(call: CallView, policy: AlertPolicy, now: datetime) -> EscalationStep | None:
    """The step that is due; None where it is time for a reminder."""
    if call.steps >= len(policy.escalation):
        return None
    step = policy.escalation[call.steps]
    return step if now >= call.called_at + timedelta(seconds=step.after_seconds) else None


def reached(
    steps: Sequence[EscalationStep], policy: AlertPolicy, channels: Sequence[ChannelPlan], now: datetime
) -> list[str]:
    """The channels that these steps tell, each once, in the order of the configuration."""
    told = {name for step in steps for name in channels_of(step, policy, now)}
    return [plan.name for plan in channels if plan.name in told]


def channels_of(step: EscalationStep, policy: AlertPolicy, now: datetime) -> list[str]:
    """The channels of a step: its own, its people's, and those of who is on call."""
    names = set(step.people)
    for rotation in policy.rotations:
        if rotation.name == step.rotation:
            names.add(on_call(rotation, now))
    return [*step.channels, *(name for person in policy.people if person.name in names for name in person.channels)]
