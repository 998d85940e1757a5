"""How an agent's readings reach n8n-medic: one call, and a plain word on whatever else than a receipt comes back."""

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from recovery.clock import utc_now
from recovery.model import DoorError, HttpAnswer, HttpDoor

log = logging.getLogger("medic.agent")
TIMEOUT_SECONDS = 10.0
LONGEST_WAIT = 300.0
SAME_TIME = timedelta(seconds=2)  # the server tells its time in whole seconds
EARLIEST_YEAR, LATEST_YEAR = 2020, 2999  # no server of ours lives in another
FAR_APART = timedelta(minutes=1)
WORDS = {
    401: "it refuses the token",
    403: "it refuses the token",
    404: "there is no /webhooks/probe: is this the address of n8n-medic?",
    413: "the report is too large for it",
    429: "it asks for fewer calls",
}


class NotTaken(Exception):  # noqa: N818 as it is said
    """A report was not taken, or nobody knows whether it was: sending the same again is safe.

    Fields:
        permanent: only a person can put that right. wait_seconds: what the server asked for, at most 5 minutes.
    """

    def __init__(self, why: str, permanent: bool = False, wait_seconds: float = 0.0):
        super().__init__(why)
        self.permanent, self.wait_seconds = permanent, wait_seconds


class Teller:
    """Sends reports to one n8n-medic, and learns its time, so that this machine's clock need not be right."""

    def __init__(self, to: str, read_token: Callable[[], str], http: HttpDoor):
        self._to, self._read_token, self._http = to, read_token, http
        self._ahead = timedelta(0)

    def servers_time(self, at: datetime) -> datetime:
        """A moment of this machine's clock as the server's would show it."""
        return at + self._ahead

    def send(self, readings: list[dict[str, Any]], delivery: str) -> None:
        """Send them once; returns when they are on the server's disk. Raises NotTaken."""
        try:
            token = self._read_token()
        except ValueError as error:
            raise NotTaken(f"there is no token: {error}", permanent=True) from None
        headers = {"Authorization": f"Bearer {token}", "X-Medic-Delivery": delivery, "Content-Type": "application/json"}
        url = f"{self._to}/webhooks/probe"
        try:
            answer = self._http.request(
                "POST", url, data=_written(readings), headers=headers, timeout_seconds=TIMEOUT_SECONDS, follow=False
            )
        except DoorError as problem:
            raise NotTaken(str(problem)) from None
        self._must_be_receipt(answer, len(readings))
        self._learn_time(answer)  # only of n8n-medic itself: a captive portal may say anything

    def _learn_time(self, answer: HttpAnswer) -> None:
        try:
            theirs = parsedate_to_datetime(answer.headers.get("date", ""))
            if not EARLIEST_YEAR <= theirs.year <= LATEST_YEAR:
                return
            ahead = theirs - (utc_now() - timedelta(milliseconds=answer.latency_ms / 2))
        except (ValueError, TypeError, OverflowError):
            return
        ahead = ahead if abs(ahead) > SAME_TIME else timedelta(0)
        if abs(ahead - self._ahead) > FAR_APART:
            log.warning("this machine's clock differs from the server's by %s: the server's time is told", ahead)
        self._ahead = ahead

    def _must_be_receipt(self, answer: HttpAnswer, count: int) -> None:
        if answer.status == 202:
            if _receipts(answer.text) != count:
                raise NotTaken(f"{self._to} answered 202, but not as n8n-medic does: is this its address?", True)
            return
        said = detail_of(answer.text)
        words = WORDS.get(answer.status, "it redirects: give the address it means" if answer.status < 400 else "")
        why = f"{self._to} answered {answer.status}" + "".join(f": {one}" for one in (words, said) if one)
        again = answer.status >= 500 or answer.status in (408, 425, 429)
        raise NotTaken(why, not again, _seconds(answer.headers.get("retry-after", "")) if again else 0.0)


def _written(readings: list[dict[str, Any]]) -> bytes:
    """As UTF-8, in which 200 components fit into one call; escaped, a letter of many languages takes six bytes."""
    return json.dumps(readings, ensure_ascii=False).encode("utf-8", "replace")


def _receipts(text: str) -> int | None:
    """How many signals a receipt speaks of; None where it is none."""
    try:
        signals = json.loads(text)["signals"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    return len(signals) if isinstance(signals, list) else None


def detail_of(text: str) -> str:
    """What the server says is wrong, fit for a terminal; "" where it does not say it as n8n-medic does."""
    try:
        told = json.loads(text).get("detail")
    except (ValueError, RecursionError, AttributeError):
        return ""
    return "".join(sign if sign.isprintable() else " " for sign in told[:300]) if isinstance(told, str) else ""


def _seconds(told: str) -> float:
    return min(float(told), LONGEST_WAIT) if told.isascii() and told.isdigit() and len(told) < 10 else 0.0
