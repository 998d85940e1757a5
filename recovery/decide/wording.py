"""How counts are said to people."""


def count_of(number: int, noun: str = "execution") -> str:
    """ "1 execution", "2 executions"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
