"""Secrets of the configuration, and how one that is shown is compared with them."""

import hmac
from typing import Any


def plain(secret: Any) -> str:
    """A setting's secret as text, whether it is wrapped or not; "" where it is not set."""
    unwrap = getattr(secret, "get_secret_value", None)
    return str(unwrap() if unwrap else secret or "")


def same_secret(given: str, expected: str) -> bool:
    """Compare in constant time; an empty secret equals nothing."""
    return bool(expected) and hmac.compare_digest(given.encode(errors="replace"), expected.encode())
