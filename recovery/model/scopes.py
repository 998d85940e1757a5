"""Tokens for what lives inside n8n: each is good for some addresses alone, and none for an order of an operator."""

import re
from dataclasses import dataclass

__all__ = ["SCOPES", "Scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What one token opens.

    Fields:
        name: as it is called outside, such as "signals".
        setting: the key of the configuration and the name of the file in the data directory.
        meaning: what its holder may do, in words that follow "may".
        addresses: each a method and the pattern of a whole path.
    """

    name: str
    setting: str
    meaning: str
    addresses: tuple[tuple[str, re.Pattern[str]], ...]

    @property
    def variable(self) -> str:
        """The environment variable that gives it; with `_FILE` at its end, the one that names a file."""
        return f"MEDIC_{self.setting.upper()}"

    def opens(self, method: str, path: str) -> bool:
        """Whether it is good for this call."""
        return any(method == allowed and pattern.fullmatch(path) for allowed, pattern in self.addresses)


def _scope(name: str, meaning: str, *addresses: tuple[str, str]) -> Scope:
    """`addresses`: methods in one text, and the pattern of a path."""
    pairs = ((method, re.compile(path)) for methods, path in addresses for method in methods.split())
    return Scope(name, f"{name}_token", meaning, tuple(pairs))


READ = "GET HEAD"
SCOPES = (
    # A heartbeat may be a GET, too; which webhook takes what is the webhook's own business.
    _scope("signals", "send signals to /webhooks/...", ("GET HEAD POST", "/webhooks/.+")),
    _scope(
        "probes",
        "read /api/v1/probes and send results to /webhooks/probe",
        (READ, "/api/v1/probes"),
        ("POST", "/webhooks/probe"),
    ),
    _scope("report", "read /api/v1/reports/...", (READ, "/api/v1/reports/.+")),
    _scope("replay", "replay failed runs by /api/v1/replays", ("GET HEAD POST", "/api/v1/replays(/[^/]+(/cancel)?)?")),
)
