"""Counts failed logins per address, for all web processes together, in a small file in the data directory."""

import fcntl
import ipaddress
import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter
from pydantic import TypeAdapter, ValidationError

from recovery import clock

log = logging.getLogger(__name__)
FAILURES = RateLimitItemPerMinute(10, 5)  # 10 in 5 minutes
LARGEST_FILE = 10_000  # addresses remembered at once
Counters = dict[str, tuple[int, float]]  # key -> number, expiry in epoch seconds
COUNTERS: TypeAdapter[Counters] = TypeAdapter(Counters)


class FileStorage(Storage):
    """A storage for `limits` that several processes share: one JSON file, one `flock` around each use."""

    STORAGE_SCHEME = ["medic-file"]

    def __init__(self, path: Path):
        super().__init__()
        self._path = path
        self._threads = threading.Lock()

    @property
    def base_exceptions(self) -> type[Exception]:
        """What may go wrong here."""
        return OSError

    @contextmanager
    def _counters(self) -> Iterator[Counters]:
        """The live counters; written back if they changed."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._threads, self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            before = self._parse(file.read())
            counters = {key: value for key, value in before.items() if value[1] > _now()}
            yield counters
            if counters != before:
                file.seek(0)
                file.truncate()
                file.write(COUNTERS.dump_json(dict(list(counters.items())[-LARGEST_FILE:])))

    @staticmethod
    def _parse(text: bytes) -> Counters:
        try:
            return COUNTERS.validate_json(text)
        except ValidationError:  # new, or a process was killed while it wrote
            return {}

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` more; the window begins with the first and lasts `expiry` seconds."""
        with self._counters() as counters:
            number, ends = counters.get(key, (0, _now() + expiry))
            counters[key] = (number + amount, ends)
            return number + amount

    def get(self, key: str) -> int:
        """How many were counted in the present window."""
        with self._counters() as counters:
            return counters.get(key, (0, 0.0))[0]

    def get_expiry(self, key: str) -> float:
        """When the present window ends, in epoch seconds."""
        with self._counters() as counters:
            return counters.get(key, (0, _now()))[1]

    def check(self) -> bool:
        """Whether the file can be used."""
        with self._counters():
            return True

    def reset(self) -> int | None:
        """Forget everything."""
        with self._counters() as counters:
            number = len(counters)
            counters.clear()
            return number

    def clear(self, key: str) -> None:
        """Forget one key."""
        with self._counters() as counters:
            counters.pop(key, None)


def _now() -> float:
    return clock.utc_now().timestamp()


class Throttle:
    """How many failures an address has left, for one way in ("login", "api", ...).

    A disk that cannot be written locks nobody out: then failures are not counted, and the log says so.
    """

    def __init__(self, path: Path):
        self._limiter = FixedWindowRateLimiter(FileStorage(path))

    def count_failure(self, door: str, address: str) -> None:
        """One more failure of an address."""
        with _said():
            self._limiter.hit(FAILURES, door, _network(address))

    def seconds_to_wait(self, door: str, address: str) -> int:
        """How long an address must wait, whole seconds; 0 where it may try."""
        with _said():
            network = _network(address)
            if not self._limiter.test(FAILURES, door, network):
                ends = self._limiter.get_window_stats(FAILURES, door, network).reset_time
                return max(1, math.ceil(ends - _now()))
        return 0

    def forgive(self, door: str, address: str) -> None:
        """Forget the failures of an address that got in."""
        with _said():
            self._limiter.clear(FAILURES, door, _network(address))


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except OSError as trouble:
        log.warning("cannot count failed logins: %s", trouble)


def _network(address: str) -> str:
    """One IPv6 subscriber holds a whole /64, so that is counted as one address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((int(parsed), 64), strict=False))
