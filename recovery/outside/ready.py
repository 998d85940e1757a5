"""Waiting for files of this process. Not `select.select`, which takes no number above 1023: many checks open more."""

import math
import select
from collections.abc import Sequence

__all__ = ["wait_for"]


def wait_for(files: Sequence[int], seconds: float) -> set[int]:
    """Which of them can be read without waiting, or have been closed on the other side; none after that time."""
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    return {file for file, _ in poll.poll(math.ceil(max(0.0, seconds) * 1_000))}
