"""A job that tells of itself: it has begun, is done, has failed, or has something to say."""

from recovery.model import FailureType, Signal, SignalKind
from recovery.sources.shapes import component_name, text

SOURCE = "heartbeat"
HEALTHY = {"success": True, "fail": False, "start": None, "log": None}
SAID = {"success": "it is done", "fail": "it says that it has failed", "start": "it has begun", "log": "it has a log"}
MOST_LOG = 2_000


def receive(name: str, what: str, log: str, delivery: str | None = None) -> Signal:
    """The signal of a heartbeat. `what` is success, start, fail or log; `log` is what the job printed.

    Raises:
        BadPayload: the name is none.
    """
    component = component_name(name, "the name in the address")
    body = {
        "component": component,
        "healthy": HEALTHY[what],
        "heartbeat": what,
        "message": text(log, MOST_LOG).strip() or SAID[what],
    }
    if what == "fail":
        body["failure_type"] = str(FailureType.WORKFLOW_FAILED)  # as its check says, and no server is down by it
        body["certain"] = True  # a job that says so itself needs no second look
    return Signal("", SignalKind.READING, SOURCE, "", body, delivery)
