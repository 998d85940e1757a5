"""Pure: what senders say becomes signals, and a signal's body becomes facts. One file per sender."""

from collections.abc import Mapping
from typing import Any

from recovery.model import Failure, Reading, SignalKind, Success
from recovery.sources import n8n_error, n8n_execution, probe


def read(kind: str, body: Mapping[str, Any]) -> Failure | Reading | Success:
    """The facts in a stored signal's body.

    Raises:
        ValueError: the kind is not known.
    """
    if kind == SignalKind.FAILURE:
        return n8n_error.read_failure(body)
    if kind == SignalKind.READING:
        return probe.read_reading(body)
    if kind == SignalKind.SUCCESS:
        return n8n_execution.read_success(body)
    raise ValueError(f"a signal of unknown kind {kind!r}")
