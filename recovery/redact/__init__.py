"""The one place that knows what a secret looks like, and how it is taken out.

It runs on every payload before it is stored, logged or sent. Four things give a secret away: the name of what holds
it (`password`, `X-Api-Key`), a name and value written in a text (`?token=...`, `"pwd": "..."`), the words before it
(`Bearer ...`, `https://user:...@`), and its own shape (`sk-...`, a JWT, a PEM block).
"""

from recovery.redact.texts import MARK, redact_text
from recovery.redact.values import redact

__all__ = ["MARK", "redact", "redact_text"]
