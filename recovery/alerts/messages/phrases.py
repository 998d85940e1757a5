"""Reasons and advice in another language than English, by the phrases of that language."""

import re
from functools import lru_cache
from pathlib import Path

import yaml

DEEPEST, LONGEST = 8, 1_000


@lru_cache(2048)
def said_in(language: str, text: str, depth: int = 0) -> str:
    """The text in a language, as far as its phrases go; where they do not, as it is."""
    if depth >= DEEPEST or len(text) > LONGEST or not _phrases(language):
        return text
    for pattern, words in _phrases(language):
        if found := pattern.fullmatch(text):
            return words.format(*(said_in(language, group or "", depth + 1) for group in found.groups()))
    for between in ("; ", ", "):
        first, split, rest = text.partition(between)  # a phrase may hold one itself, so no more is split than must be
        if split:
            return f"{said_in(language, first, depth + 1)}{between}{said_in(language, rest, depth)}"
    return text


@lru_cache
def _phrases(language: str) -> list[tuple[re.Pattern[str], str]]:
    file = Path(__file__).parent / language / "phrases.yaml"
    listed = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else []
    return [(re.compile(pattern, re.DOTALL), words) for pattern, words in listed]
