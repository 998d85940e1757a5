"""Whose certificates are trusted. The system's are read once: that takes longer than handing a message over."""

import ssl
from functools import cache

__all__ = ["trust_in"]


def trust_in(ca_file: str | None = None) -> ssl.SSLContext:
    """Trust in the certificates of a file; without one in the system's."""
    return ssl.create_default_context(cafile=ca_file) if ca_file else _usual()


@cache
def _usual() -> ssl.SSLContext:
    return ssl.create_default_context()
