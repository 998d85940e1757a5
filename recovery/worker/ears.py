"""Whether anybody could be heard: what was told while no web process took it in is not known, and is no silence."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from recovery.decide.connectivity import only_listens
from recovery.model import FailureType, Policy, Reading
from recovery.store import sites
from recovery.store.tables import ComponentRow
from recovery.worker.hearing import await_word, known_since

SILENCES = (FailureType.SERVER_UNRESPONSIVE, FailureType.SCHEDULE_MISSED)
Ended = list[tuple[ComponentRow, Reading]]


class Ears:
    """Notices that no web process lives, or lived until of late: both of them may have slept, with the machine.

    The web processes' clocks may be another machine's, so that it counts how long nothing new was seen of them. In
    memory alone: a pause that is over is a row.
    """

    def __init__(self) -> None:
        self._beat: datetime | None = None
        self._seen_at: datetime | None = None
        self._caught_up: datetime | None = None
        self._offline_until: datetime | None = None

    def deaf_until(self, now: datetime) -> datetime | None:
        """Until when nobody could be heard, as far as is known: now, where it lasts. To be called in a transaction.

        Where no web process has told that it lives of late, one is believed to.
        """
        latest, pause = sites.latest_beat("web"), sites.latest_beat("pause")
        if latest != self._beat or self._seen_at is None or self._seen_at > now:
            is_old = self._beat is None and latest is not None and now - latest > sites.WEB_AWAY
            self._beat, self._seen_at = latest, latest if is_old else now
        lasts = latest is not None and self._seen_at is not None and now - self._seen_at > sites.WEB_AWAY
        known = [min(at, now) for at in (pause, self._offline_until) if at]
        return now if lasts else max(known, default=None)

    def catch_up(self, policy: Policy, now: datetime) -> None:
        """Give everybody, heartbeats too, their time again after a pause. To be called in a transaction."""
        until = self.deaf_until(now)
        if until is not None and until != self._caught_up:
            await_word(policy, now, until)
            self._caught_up = until

    def hear_again(self, policy: Policy, now: datetime) -> None:
        """This machine is back online: give everybody their time again, also who is being looked at just now."""
        self._offline_until = self._caught_up = now
        await_word(policy, now, now)

    def believed(self, policy: Policy, ended: Ended, now: datetime) -> Ended:
        """The readings, but those of a silence through which nobody listened say nothing. In a transaction."""
        if not any(_is_silence(policy, reading) for _, reading in ended):
            return ended
        until = self.deaf_until(now)
        if until is None:
            return ended
        found = list(_doubted(policy, ended, until, now))
        if found != ended:
            await_word(policy, now, until)
        return found


def _doubted(policy: Policy, ended: Ended, until: datetime, now: datetime) -> Iterator[tuple[ComponentRow, Reading]]:
    for row, reading in ended:
        known = known_since(row.beat or {}, now)
        if _is_silence(policy, reading) and (known is None or known < until):
            because = f"nobody could be heard before {until:%Y-%m-%d %H:%M:%S} UTC: it may have told of itself"
            yield row, replace(reading, healthy=None, because=because, failure_type=None, certain=False)
        else:
            yield row, reading


def _is_silence(policy: Policy, reading: Reading) -> bool:
    listens = only_listens(policy.component(reading.component))
    return listens and reading.healthy is False and reading.failure_type in SILENCES
