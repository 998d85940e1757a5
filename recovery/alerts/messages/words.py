"""The templates that messages are made of: ours, and over them those of the user's own folder.

A template of the user's may be wrong, and at three in the morning. Whatever it does, ours is used in its place, and
the message says so.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, TemplateError, select_autoescape

from recovery.alerts.messages.clean import one_line
from recovery.alerts.messages.sandbox import Budget, Sandbox
from recovery.model import AlertKind

__all__ = ["LANGUAGES", "MAIL", "OURS", "Words", "file_of", "names_of_files", "why_broken"]

LANGUAGES = ("en", "ko")
MAIL = "mail.html"
OURS = Path(__file__).parent
LONGEST, LONGEST_MAIL = 20_000, 200_000  # letters
_OF_ITS_OWN = frozenset(AlertKind) - {"opened", "worsened", "needs_human", "reminder", "recovered"}


def file_of(kind: str, language: str) -> str:
    """The template of a kind of message, such as `en/incident.j2`: one for all that are about an incident."""
    return f"{language}/{kind if kind in _OF_ITS_OWN else 'incident'}.j2"


def names_of_files() -> list[str]:
    """Every template that a user's folder may replace."""
    return [MAIL, *sorted(str(path.relative_to(OURS)) for path in OURS.glob("*/*.j2"))]


class Words:
    """The templates of one language.

    Fields:
        faults: what was wrong with templates of the user's own, so that ours were used.
    """

    def __init__(self, language: str, folder: Path | None = None):
        self.faults: list[str] = []
        self._language, self._folder = language, folder
        self._budget = Budget()

    def text(self, name: str, kind: str, shown: dict[str, Any], fits: Callable[[str], bool] = bool) -> str:
        """What the macro `name` of the kind's template makes of the facts; of ours, where the user's has none."""
        file = file_of(kind, self._language)
        own = self._own(file, lambda template: _macro(template, name, shown))
        if own is not None and len(own) <= LONGEST and fits(own):
            return own
        if own is not None:
            self.faults.append(
                f"{file}: `{name}` says {'too much' if len(own) > LONGEST else 'nothing that can be sent'}"
            )
        return _macro(_ours().get_template(file), name, shown) or ""

    def term(self, name: str) -> str:
        """A text of `common.j2`."""
        file = f"{self._language}/common.j2"
        own = self._own(file, lambda template: getattr(template.module, name, None))
        return str(own or getattr(_ours().get_template(file).module, name))

    def call(self, name: str, argument: str) -> str:
        """What a macro of `common.j2` makes of a text."""
        file = f"{self._language}/common.j2"
        own = self._own(file, lambda template: _macro(template, name, argument))
        return own or _macro(_ours().get_template(file), name, argument) or argument

    def note(self) -> str:
        """A line about the templates that could not be used; "" where all could."""
        told = one_line("; ".join(dict.fromkeys(self.faults)), 300)
        made: Any = _ours().get_template(f"{self._language}/common.j2").module
        return str(made.template_note(told)) if told else ""

    def mail(self, **values: Any) -> str:
        """The HTML of a mail."""
        own = self._own(MAIL, lambda template: template.render(**values))
        if own is not None and len(own) > LONGEST_MAIL:
            self.faults.append(f"{MAIL}: says too much")
        elif own is not None and own.strip():
            return own
        return _ours().get_template(MAIL).render(**values)

    def _own(self, file: str, use: Callable[[Any], str | None]) -> str | None:
        """What the user's template gives; None where there is none, or it fails."""
        try:
            if self._folder is None or not (self._folder / file).is_file():
                return None
            with self._budget.spending():
                return use(_over(self._folder).get_template(file))
        except Exception as problem:  # whatever a user's template does, the alert goes out
            self.faults.append(why_broken(file, problem))
            return None


def why_broken(file: str, problem: Exception) -> str:
    """What is wrong with a template, in one line."""
    number = getattr(problem, "lineno", None)
    line = f", line {number}" if isinstance(number, int) else ""
    told = getattr(problem, "message", None) if isinstance(problem, TemplateError) else None
    return one_line(f"{file}{line}: {told or f'{type(problem).__name__}: {problem}'}", 300)


def _macro(template: Any, name: str, shown: dict[str, Any] | str) -> str | None:
    macro = getattr(template.module, name, None)
    return None if macro is None else str(macro(shown)).strip()


@lru_cache
def _ours() -> Environment:
    return Environment(loader=FileSystemLoader(OURS), autoescape=select_autoescape(["html"]), **_HOW)


@lru_cache
def _over(folder: Path) -> Environment:
    """The user's templates; they may import ours, and reach nothing but the facts."""
    loader = ChoiceLoader([FileSystemLoader(folder), FileSystemLoader(OURS)])
    return Sandbox(loader=loader, autoescape=select_autoescape(["html"]), **_HOW)


_HOW: dict[str, Any] = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
