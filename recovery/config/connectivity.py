"""What proves that this machine is online."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictInt

from recovery.config.sections import Settings
from recovery.config.types import Text, expected

WORDS = "an address such as 1.1.1.1:443, or https://www.example.com"


def _read_anchor(value: str) -> str:
    """As "host:port"."""
    parts = urlsplit(value if "://" in value else f"//{value}")
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        raise expected(WORDS) from None
    if parts.scheme not in ("", "http", "https") or not parts.hostname or not port or parts.username is not None:
        raise expected(WORDS)
    return f"[{parts.hostname}]:{port}" if ":" in parts.hostname else f"{parts.hostname}:{port}"


class ConnectivitySettings(Settings):
    """How it is noticed that this machine itself is offline, so that nothing is restarted for it."""

    anchors: Annotated[tuple[Annotated[Text, AfterValidator(_read_anchor)], ...], Field(max_length=10)] = ()
    """What proves that it is online: host:port or addresses of other people's servers that hardly ever fail, asked
    only where many hosts fall silent at once. Without any, it is never called offline."""
    hosts: Annotated[StrictInt, Field(ge=2, le=1_000)] = 5
    """So many unrelated hosts of checks must fall silent at once, and all anchors with them."""
