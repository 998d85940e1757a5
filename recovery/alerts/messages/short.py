"""Fits a message into two SMS segments, what matters first and the link whole."""

SEGMENT_UNITS = 67  # UTF-16 units of one segment where there are several; an emoji makes every SMS UCS-2
LARGEST_UNITS = 2 * SEGMENT_UNITS - 1  # a surrogate pair is not split between segments, which may cost a unit
LARGEST_LINK_UNITS = 80
TITLE_UNITS = 70
WORTH_UNITS = 12


def units(text: str) -> int:
    """How many UTF-16 units a text takes, as an SMS is counted."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, room: int) -> str:
    """The text within `room` units; a cut one ends with an ellipsis."""
    if units(text) <= room:
        return text
    kept = text[: max(0, room - 1)]
    while kept and units(kept) > room - 1:
        kept = kept[:-1]
    return kept.rstrip() + "…" if room > 0 else ""


def fit(title: str, details: list[str], link: str) -> str:
    """Title, as much of the details as fits, and the link, in at most two segments."""
    tail = f"\n{link}" if link and units(link) <= LARGEST_LINK_UNITS else ""
    room = LARGEST_UNITS - units(tail)
    head = cut(title, min(room, TITLE_UNITS))
    for detail in filter(None, details):
        left = room - units(head) - 1
        if left >= min(WORTH_UNITS, units(detail)):
            head += "\n" + cut(detail, left)
    return head + tail
