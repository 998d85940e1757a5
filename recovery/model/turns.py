"""The last looks at a component as one number, small enough to be kept in its row."""

__all__ = ["LOOKS", "NO_LOOKS", "count_turns", "note_look"]

LOOKS = 21
NO_LOOKS = 1


def note_look(looks: int, is_bad: bool) -> int:
    """The looks with one more, of which the last 21 are kept.

    A bit each, the newest lowest, 1 for a bad one; above them a 1, so that one knows how many there are.
    """
    longer = max(looks, NO_LOOKS) << 1 | is_bad
    return longer if longer.bit_length() <= LOOKS + 1 else longer & ((1 << LOOKS) - 1) | 1 << LOOKS


def count_turns(looks: int) -> int:
    """How often the state changed from one of these looks to the next: 20 times at most."""
    pairs = max(max(looks, NO_LOOKS).bit_length() - 2, 0)
    return ((looks ^ looks >> 1) & ((1 << pairs) - 1)).bit_count()
