"""How fast disks fill, from a few samples that a check remembers."""

from datetime import datetime
from typing import Any

__all__ = ["Filling"]

SAMPLES = 60
ALL_SAMPLES = 240
SPACING_SECONDS = 360.0
LEAST_SECONDS = 1_800.0
LEAST_SAMPLES = 5


class Filling:
    """The space that is used on each path, over the last six hours at most.

    Fields:
        memory: what the next look is given: by path, samples of whole seconds and bytes.
    """

    def __init__(self, memory: Any, used: dict[str, int], now: datetime):
        known = memory if isinstance(memory, dict) else {}
        at, most = int(now.timestamp()), min(SAMPLES, ALL_SAMPLES // max(1, len(used)))
        self.memory: dict[str, list[list[int]]] = {}
        self._now = {path: [at, count] for path, count in used.items()}
        for path, count in used.items():
            samples = [one for one in known.get(path, []) if at - SAMPLES * SPACING_SECONDS <= one[0] <= at]
            if not samples or at - samples[-1][0] >= SAMPLES * SPACING_SECONDS / most:
                samples.append([at, count])
            self.memory[path] = samples[-most:]

    def bytes_per_second(self, path: str) -> float:
        """How fast the path fills; 0 where it does not, or where it is not known long enough.

        The slower of its slopes over all the samples and over the later half of them: a disk that has been cleaned up,
        or that filled once and has stopped, does not fill.
        """
        samples = self.memory[path]
        if samples[-1] != self._now[path]:
            samples = [*samples, self._now[path]]
        if samples[-1][0] - samples[0][0] < LEAST_SECONDS or len(samples) < LEAST_SAMPLES:
            return 0.0
        return max(0.0, min(_slope(samples), _slope(samples[len(samples) // 2 :])))


def _slope(samples: list[list[int]]) -> float:
    """Of the straight line that lies nearest to the samples."""
    times, values = [one[0] for one in samples], [one[1] for one in samples]
    middle, height = sum(times) / len(times), sum(values) / len(values)
    spread = sum((one - middle) ** 2 for one in times)
    if spread == 0:
        return 0.0
    return sum((at - middle) * (value - height) for at, value in samples) / spread
