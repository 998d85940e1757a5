"""How counts are said to people."""


def count_of(number: int, noun: str = "execution") -> str:
    """ "1 execution", "2 executions"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def time_of(seconds: float) -> str:
    """ "0.4 s", "12 s", "5 minutes", "2.5 hours": as exactly as people care."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    if round(seconds) < 120 and round(seconds) % 60:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        minutes = round(seconds / 60, 1)
        return f"{minutes:g} minute{'' if minutes == 1 else 's'}"
    return f"{seconds / 3_600:.1f} hours"
