"""What actions that run a command of the configuration share: its words, and how its end is told."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, StrictStr

from recovery.model import About, fill_in, unknown_fields
from recovery.model.acting import FIELDS

KEPT_CHARACTERS = 4_000
SHORTEST_SECRET = 4  # what is shorter stands in most texts

Words = Annotated[list[StrictStr], Field(min_length=1)]


def check_words(words: list[str]) -> None:
    """Raise ValueError where they begin with no program, hold a null byte, or ask for a field that there is not."""
    if not words[0].strip() or any("\0" in word for word in words):
        raise ValueError("`command` must begin with a program, and nothing may hold a null byte")
    unknown = [name for word in words for name in unknown_fields(word)]
    if unknown:
        raise ValueError(f"there is no field {{{{{unknown[0]}}}}}; there are {', '.join(FIELDS)}")


def filled_words(words: list[str], about: About) -> list[str]:
    """The words with what stands for their fields: each stays one word."""
    return [fill_in(word, about) for word in words]


def with_output(how: str, output: str, env: Iterable[str] = ()) -> str:
    """How a command ended, and the last of what it said.

    Args:
        env: the values of its environment, any of which may be a secret that the command prints.
    """
    for value in sorted((one for one in env if len(one) >= SHORTEST_SECRET), key=len, reverse=True):
        output = output.replace(value, "[redacted]")
    output = output.strip()
    if len(output) > KEPT_CHARACTERS:
        output = "[cut] " + output[-KEPT_CHARACTERS:]
    return f"the command {how}; it said:\n{output}" if output else f"the command {how}, without a word"
