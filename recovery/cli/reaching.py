"""The only part of the command line that opens doors to an n8n and to addresses, for a person who waits for it."""

from recovery.model import HttpDoor, N8nWiring
from recovery.outside.http import Http
from recovery.outside.n8n import N8n

PATIENT_SECONDS = 120.0  # a busy n8n takes long for its first answer about what a key may do


def open_n8n(site: str, url: str, api_key: str) -> N8nWiring:
    """The door to an n8n, configured or not."""
    return N8n(site, url, api_key, PATIENT_SECONDS)


def open_http() -> HttpDoor:
    """The door to addresses."""
    return Http()
