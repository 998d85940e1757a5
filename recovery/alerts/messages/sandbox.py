"""Where templates of the user's own run: nothing but the facts is within reach, and none of them runs for ever.

It is no wall against who writes the configuration, for they may run any command: it stops what grows by mistake.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

__all__ = ["Budget", "Sandbox"]

MOST_STEPS = 1_500_000  # lines of Python: half a second; to read and use all of ours takes 440,000
MOST_LETTERS = 1_000_000
MOST_POWER = 64
TOO_MUCH = "this makes more than a message can hold"


class _Generator(CodeGenerator):
    """Lets the sandbox see what `~` puts together, as it sees what is calculated."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        join = "markup_join" if frame.eval_ctx.autoescape else "str_join"
        self.write(f"environment.together({join}, (")
        for one in node.nodes:
            self.visit(one, frame)
            self.write(", ")
        self.write("))")


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which also refuses to calculate what would take all memory."""

    intercepted_binops = frozenset(("*", "**", "+"))
    code_generator_class = _Generator

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Jinja's hook for what is calculated."""
        if operator == "**" and isinstance(right, int | float) and abs(right) > MOST_POWER:
            raise SecurityError(f"a power of {right} is too much for a message")
        if operator == "*" and _longest(left, right) > MOST_LETTERS:
            raise SecurityError(TOO_MUCH)
        if operator == "+" and _length(left) + _length(right) > MOST_LETTERS:
            raise SecurityError(TOO_MUCH)
        return super().call_binop(context, operator, left, right)

    def together(self, join: Callable[[tuple[Any, ...]], str], parts: tuple[Any, ...]) -> str:
        """What `~` makes."""
        if sum(map(_length, parts)) > MOST_LETTERS:
            raise SecurityError(TOO_MUCH)
        return join(parts)

    def call(self, context: Context, obj: Any, *args: Any, **named: Any) -> Any:
        """Jinja's hook for what is called: `center(10**9)` and its like."""
        if any(isinstance(one, int) and one > MOST_LETTERS for one in (*args, *named.values())):
            raise SecurityError(TOO_MUCH)
        return super().call(context, obj, *args, **named)


def _length(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 0


def _longest(left: Any, right: Any) -> int:
    """How long a text or list becomes that is repeated so often; 0 where it is a plain number."""
    pairs = ((left, right), (right, left))
    return max(
        (len(one) * times for one, times in pairs if hasattr(one, "__len__") and isinstance(times, int)), default=0
    )


class Budget:
    """How much templates may do for one message; what goes beyond it fails. Counted in steps, not in seconds, so that
    a busy machine changes nothing."""

    def __init__(self, steps: int = MOST_STEPS):
        self._left = steps

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count what is done inside.

        Raises:
            SecurityError: it is too much.
        """
        before = sys.gettrace()
        sys.settrace(self._step)
        try:
            yield
        finally:
            sys.settrace(before)

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise SecurityError("it does not come to an end")
        return self._step
