"""Reasons and advice in another language than English, by the phrases of that language."""

import re
from functools import lru_cache
from pathlib import Path

import yaml

DEEPEST = 4


@lru_cache(2048)
def said_in(language: str, text: str, depth: int = 0) -> str:
    """The text in a language, as far as its phrases go; where they do not, as it is."""
    if not _phrases(language):
        return text
    for pattern, words in _phrases(language):
        found = pattern.fullmatch(text)
        if found and depth < DEEPEST:
            return words.format(*(said_in(language, group or "", depth + 1) for group in found.groups()))
    parts = text.split(", ")
    return (
        ", ".join(said_in(language, part, depth + 1) for part in parts) if len(parts) > 1 and depth < DEEPEST else text
    )


@lru_cache
def _phrases(language: str) -> list[tuple[re.Pattern[str], str]]:
    file = Path(__file__).parent / language / "phrases.yaml"
    listed = yaml.safe_load(file.read_text()) if file.exists() else []
    return [(re.compile(pattern, re.DOTALL), words) for pattern, words in listed]
