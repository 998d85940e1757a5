"""Which signs a name may not hold: two names that look the same must be the same."""

import unicodedata

__all__ = ["hidden_in", "without_hidden"]

# Control signs, format signs (zero width, direction), surrogates, the breaks of lines and paragraphs.
HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u180e")  # letters and marks that show nothing


def hidden_in(text: str) -> str:
    """The first sign that is not seen, as `U+200B`; "" where there is none."""
    if text.isascii() and text.isprintable():
        return ""
    return next((f"U+{ord(sign):04X}" for sign in text if _is_hidden(sign)), "")


def without_hidden(text: str) -> str:
    """The text with a space for each break and control sign, and without what is not seen at all."""
    if not hidden_in(text):
        return text
    seen = (" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    return " ".join("".join(sign for sign in seen if not _is_hidden(sign)).split())


def _is_hidden(sign: str) -> bool:
    return unicodedata.category(sign) in HIDDEN or sign in BLANK
