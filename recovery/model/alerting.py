"""The words of what people are told."""

from enum import StrEnum

__all__ = ["AlertKind", "AlertState"]


class AlertKind(StrEnum):
    """Why people are told.

    The first five are about one incident; the others are about many, about a channel, or about nothing that is wrong.
    """

    OPENED = "opened"
    WORSENED = "worsened"
    NEEDS_HUMAN = "needs_human"
    REMINDER = "reminder"
    RECOVERED = "recovered"
    STORM = "storm"
    HELD_BACK = "held_back"
    DIGEST = "digest"
    REPORT = "report"
    CHANNEL_TROUBLE = "channel_trouble"
    TEST = "test"


class AlertState(StrEnum):
    """Where an alert stands in the outbox.

    HELD waits for its hour, HELD_BACK for room in its channel's budget; FOLDED is told of by another message, or by
    none because nobody needed to know.
    """

    HELD = "held"
    HELD_BACK = "held_back"
    FOLDED = "folded"
    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
