"""The agents that may be asked to restart something, as the configuration writes them."""

from typing import Annotated

from pydantic import AfterValidator, Field

from recovery.config.sections import Settings
from recovery.config.types import Text, Token, expected

SHORTEST_TOKEN = 20


def _check_length(value: str) -> str:
    if len(value) < SHORTEST_TOKEN:
        raise expected(f"a token of at least {SHORTEST_TOKEN} signs", "make one: openssl rand -hex 24")
    return value


class AgentSettings(Settings):
    """A `medic agent` on another machine, which may be asked to restart what its own configuration names."""

    name: Text
    """What actions call it."""
    token: Annotated[Token, AfterValidator(_check_length)] = Field(repr=False)
    """What it shows when it asks for work: a token of its own, of at least 20 signs."""
