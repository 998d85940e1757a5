"""Whose certificates are trusted. What the machine trusts is read once: that takes longer than most calls."""

import ssl
from functools import cache

import certifi

__all__ = ["trust_at_large", "trust_in"]


def trust_in(ca_file: str | None = None) -> ssl.SSLContext:
    """Trust in the certificates of a file; without one in the system's."""
    return ssl.create_default_context(cafile=ca_file) if ca_file else _usual()


@cache
def trust_at_large() -> ssl.SSLContext:
    """Trust in the authorities of this machine, or in those that SSL_CERT_FILE names, and in the usual ones."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


@cache
def _usual() -> ssl.SSLContext:
    return ssl.create_default_context()
