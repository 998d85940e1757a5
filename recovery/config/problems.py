"""What is wrong with a configuration, said so that the reader can put it right."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace

Path = tuple[str | int, ...]
"""Where a value stands: keys and list positions from the top."""


def show_path(path: Path) -> str:
    """`("components", 0, "check")` as people write it: `components[0].check`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def suggest(word: str, known: Iterable[str]) -> str:
    """`did you mean "every"?`, or "" where nothing known is near."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if not near:
        lowered = {name.lower(): name for name in names}
        near = [lowered[name] for name in difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)]
    return f'did you mean "{near[0]}"?' if near else ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Fields:
        source: the file or the environment variable that said it.
        where: the key's path; "" for the file as a whole.
        line: in the file, from 1; None where there is none.
        seen: what was found; never a secret.
        expected: what belongs there.
        way_out: what to do about it; "" where `expected` says it all.
    """

    source: str
    where: str
    seen: str
    expected: str
    way_out: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.source}, line {self.line}" if self.line else self.source
        lines = [f"{place}: {self.where}" if self.where else place]
        lines += [f"    seen:      {self.seen}"] if self.seen else []
        lines += [f"    expected:  {self.expected}"] if self.expected else []
        lines += [f"    to do:     {self.way_out}"] if self.way_out else []
        return "\n".join(lines)


class ConfigProblems(Exception):  # noqa: N818 - one exception carries many
    """The configuration cannot be used.

    Fields:
        problems: all of them, in the order of the file, then of the environment.
    """

    def __init__(self, problems: Iterable[Problem]):
        self.problems = sorted(set(problems), key=_order)
        super().__init__(str(self))

    def __str__(self) -> str:
        number = len(self.problems)
        head = "1 problem" if number == 1 else f"{number} problems"
        return "\n".join([f"{head} in the configuration:", "", *map(str, self.problems)])

    def without(self, secrets: Iterable[str]) -> "ConfigProblems":
        """The same, with each of these texts taken out, should one have found its way in."""
        hidden = sorted((text for text in secrets if len(text) > 3), key=len, reverse=True)
        return ConfigProblems(_hide(problem, hidden) for problem in self.problems)


def _order(problem: Problem) -> tuple[bool, int, str, str]:
    return problem.line is None, problem.line or 0, problem.source, problem.where


def _hide(problem: Problem, secrets: list[str]) -> Problem:
    seen, way_out = problem.seen, problem.way_out
    for secret in secrets:
        seen, way_out = seen.replace(secret, "***"), way_out.replace(secret, "***")
    return replace(problem, seen=seen, way_out=way_out)
