"""What the API answers about silences, channels and reports."""

from datetime import datetime
from typing import Any

from webhook_server.schemas import Shown


class Silence(Shown):
    """A time in which nobody is told of the incidents that fit `matcher`; what is empty there fits all."""

    id: int
    matcher: dict[str, Any]
    starts_at: datetime
    ends_at: datetime
    note: str
    who: str
    created_at: datetime


NO_FIGURES: dict[str, Any] = {
    "messages": 0, "tries": 0, "delivered": 0, "failed": 0, "share": None, "p50_seconds": None, "p95_seconds": None,
}  # fmt: skip


class ChannelFigures(Shown):
    """How well a channel does: what it was given, in how many tries it took that, and within how many seconds.

    `share`: of the tries that succeeded; `failing_since` is null where it works.
    """

    name: str
    messages: int
    tries: int
    delivered: int
    failed: int
    share: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    failing_since: datetime | None
    error: str


class Period(Shown):
    """The report of a day or a week for people, as it is sent."""

    period: str
    since: datetime
    until: datetime
    failed: int
    healed: int
    needs_human: int
    healed_share: float | None
    by_type: list[dict[str, Any]]
    top: list[dict[str, Any]]
    failing: list[dict[str, Any]]
    items: list[dict[str, Any]]
    found: int
    findings: list[dict[str, Any]]
    advice: list[str]
