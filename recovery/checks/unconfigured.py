"""What every check of an n8n answers where the configuration names no such n8n."""

from recovery.model import FailureType, Reading


def no_n8n(site: str) -> Reading:
    """The reading where no n8n of this name has an API key: only a person can put that right."""
    because = f"no n8n named {site!r} with an API key is configured"
    return Reading("", False, because, FailureType.N8N_UNREADY, permanent=True)
