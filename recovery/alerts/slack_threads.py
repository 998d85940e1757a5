"""One thread in Slack for each incident: news are replies, and the first message shows how things stand."""

from typing import Any

from recovery.alerts.messages import Message
from recovery.alerts.slack_blocks import payload
from recovery.model import AlertKind, Done, DoorError, SlackDoor

__all__ = ["tell_in_thread"]

# Replies wake nobody by themselves: what needs a person is shown in the channel too.
ALSO_IN_CHANNEL = frozenset({AlertKind.NEEDS_HUMAN, AlertKind.WORSENED, AlertKind.REMINDER})
GONE = frozenset({"thread_not_found", "message_not_found", "channel_not_found", "cannot_reply_to_message"})


def tell_in_thread(door: SlackDoor, channel: str, message: Message) -> Done:
    """Post the first message on an incident, or a reply to it and the first anew.

    The message's memory is the channel's name as it was configured (`asked`), its id and the first message's `ts`.

    Raises:
        DoorError: it was not posted. That the first message could not be changed is none, for the news is told.
    """
    first = message.thread
    if first.get("asked") != channel or not first.get("ts"):
        return _begin(door, channel, message)
    try:
        _reply(door, first, message)
    except DoorError as refused:
        if getattr(refused, "said", "") not in GONE:
            raise
        return _begin(door, channel, message)
    return Done(f"told in the thread of {channel}{_update(door, first, message)}", memory=dict(first))


def _begin(door: SlackDoor, channel: str, message: Message) -> Done:
    answer = door.call("chat.postMessage", channel=channel, **payload(message))
    memory = {"asked": channel, "channel": str(answer.get("channel") or channel), "ts": str(answer.get("ts") or "")}
    return Done(f"told {channel}", memory=memory)


def _reply(door: SlackDoor, first: dict[str, Any], message: Message) -> None:
    aloud = {"reply_broadcast": True} if message.facts.get("kind") in ALSO_IN_CHANNEL else {}
    door.call("chat.postMessage", channel=first["channel"], thread_ts=first["ts"], **aloud, **payload(message))


def _update(door: SlackDoor, first: dict[str, Any], message: Message) -> str:
    shown = {name: value for name, value in payload(message).items() if not name.startswith("unfurl")}
    try:
        door.call("chat.update", channel=first["channel"], ts=first["ts"], **shown)
    except DoorError as refused:
        return f"; its first message could not be changed: {refused}"
    return ""
