"""The doors through which people are told, as channels see them."""

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["AppriseDoor", "MailDoor", "SlackDoor", "SmsDoor"]


class MailDoor(Protocol):
    """One SMTP server."""

    def send(self, to: list[str], subject: str, text: str, html: str, headers: dict[str, str]) -> dict[str, str]:
        """Hand one message over; which recipients were refused, and why. Raises DoorError where nobody was taken."""


class SmsDoor(Protocol):
    """One SMS account."""

    def send(self, to: str, text: str) -> str:
        """Send one message; the provider's id. Raises DoorError."""


class SlackDoor(Protocol):
    """One Slack workspace, as a bot."""

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method of Slack's Web API once; its answer. Raises DoorError, with Slack's own word as `said`."""


class AppriseDoor(Protocol):
    """Whatever Apprise knows."""

    def send(self, url: str, title: str, body: str, tone: str, links: Sequence[str] = ()) -> str:
        """Hand one message over to the service that the URL names; the service's name. Raises DoorError.

        `tone` is "failure", "warning", "success" or "info"; `links` are the addresses in the body that stay links.
        """
