"""What actions that post the incident share: its JSON, and how it is sent once."""

from typing import Any
from urllib.parse import urlsplit

from recovery.alerts.messages.clean import plain_facts
from recovery.alerts.posting import check_url, encode, post, secrets_of_url, signature
from recovery.model import About, Done, Doors

__all__ = ["check_address", "place_of", "post_incident"]


def check_address(url: str) -> str:
    """The address, where it is a whole one without a user and password in it.

    Raises:
        ValueError: it is not; the message does not repeat it.
    """
    check_url(url)
    if "@" in urlsplit(url).netloc:
        raise ValueError("must hold no user and no password: a header is the place for them")
    return url


def place_of(url: str) -> str:
    """The address as people may see it: without its query, which may hold a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def incident_of(action: str, about: About) -> dict[str, Any]:
    """The incident as a receiver gets it. `cause` may come from a payload: it is one clean line."""
    return {
        "action": action,
        "key": _key(about),
        "component": about.component,
        "failure_type": about.failure_type,
        "severity": about.severity,
        "incident_id": about.incident_id,
        "cause": plain_facts(about.cause),
        "opened_at": about.opened_at.isoformat() if about.opened_at else None,
        "stage": about.stage,
        "attempt": about.attempt,
        "link": about.link,
    }


def post_incident(
    action: str, about: About, doors: Doors, url: str, headers: dict[str, str], timeout_seconds: float, secret: str = ""
) -> Done:
    """Post the incident once, with its key, and signed where there is a secret. Raises DoorError."""
    body = encode(incident_of(action, about))
    sent = headers | {"X-Medic-Key": _key(about)}
    if secret:
        sent["X-Medic-Signature"] = signature(secret, body, int(about.now.timestamp()))
    hidden = [*headers.values(), *secrets_of_url(url), secret]
    return post(doors, url, body, sent, hidden, about.now, timeout_seconds)


def _key(about: About) -> str:
    return about.key or f"{about.incident_id}.{about.stage}.{about.attempt}"
