"""Words of replays: many failed executions are run again after an outage, because a person ordered it."""

from enum import StrEnum

__all__ = ["Ambiguous", "Lot", "ReplayState"]


class ReplayState(StrEnum):
    """Where a replay stands; the last three are its end."""

    READING = "reading"  # n8n is asked what failed
    ASKING = "asking"  # it is counted, and waits for a person's yes
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"  # it could not go on; its because says why
    CANCELLED = "cancelled"


class Ambiguous(StrEnum):
    """What becomes of a run whose repetition may repeat an effect. ASK: left, and listed for a person."""

    ASK = "ask"
    RETRY = "retry"
    LEAVE = "leave"


class Lot(StrEnum):
    """What becomes of a failed chain in a replay, as it was counted."""

    REPLAY = "replay"  # it is run again
    SUCCEEDED = "succeeded"  # one of its retries has succeeded already
    RUNNING = "running"  # a retry of it runs just now
    AMBIGUOUS = "ambiguous"  # it may repeat an effect
    TAGGED = "tagged"  # its workflow is tagged medic:no-retry or medic:ignore
    TOO_OLD = "too_old"  # n8n has its data no more
    INCIDENT = "incident"  # an open incident heals it
    LEFT_ALONE = "left_alone"  # for another reason
    OVER_LIMIT = "over_limit"  # more than were asked for
