"""Fits a message into two SMS segments, what matters first and the link whole.

An SMS whose letters are all of the GSM alphabet has room for twice as many. So English goes without its emoji, and
with plain quotes and dashes; Korean cannot be said in that alphabet, and keeps them.
"""

import unicodedata
from dataclasses import dataclass

__all__ = ["Sms", "cut", "fit", "measure", "units"]

GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_DOUBLE = frozenset("^{}\\[~]|€\f")
PLAIN = str.maketrans({"…": "...", "“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "•": "-", "`": "'"})
WORTH_UNITS = 12
MOST_SEGMENTS = 2


@dataclass(frozen=True, slots=True)
class Sms:
    """How an SMS is sent: its alphabet ("GSM-7" or "UCS-2"), its length in units of that, and its segments."""

    alphabet: str
    units: int
    segments: int


@dataclass(frozen=True, slots=True)
class _Room:
    """What an alphabet has room for: alone, in each of several segments, for a title, and for a link.

    A link of `handy` length leaves room for words; a longer one is taken only where there is no shorter.
    """

    name: str
    alone: int
    each: int
    title: int
    handy: int
    link: int

    def cost(self, letter: str) -> int:
        """How many units a letter takes."""
        if self.name == "GSM-7":
            return 2 if letter in GSM_DOUBLE else 1
        return 2 if ord(letter) > 0xFFFF else 1

    @property
    def largest(self) -> int:
        """Of two segments: a letter of two units is never split between them, which may cost one."""
        return MOST_SEGMENTS * self.each - 1


GSM_ROOM = _Room("GSM-7", 160, 153, 120, 110, 160)
UCS_ROOM = _Room("UCS-2", 70, 67, 70, 55, 105)  # a signed link takes 90, and leaves the title its room


def units(text: str) -> int:
    """How many UTF-16 units a text takes, as an SMS in UCS-2 is counted."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def measure(text: str) -> Sms:
    """How a text is sent, counted as phone companies do."""
    room = _room_for(text)
    total = sum(map(room.cost, text))
    if total <= room.alone:
        return Sms(room.name, total, 1)
    segments, used = 1, 0
    for letter in text:
        segments, used = (segments + 1, 0) if used + room.cost(letter) > room.each else (segments, used)
        used += room.cost(letter)
    return Sms(room.name, total, segments)


def cut(text: str, room: int, alphabet: _Room = UCS_ROOM) -> str:
    """The text within `room` units; a cut one ends with an ellipsis."""
    if sum(map(alphabet.cost, text)) <= room:
        return text
    mark = "..." if alphabet is GSM_ROOM else "…"
    kept, used = "", len(mark)
    for letter in text:
        used += alphabet.cost(letter)
        if used > room:
            break
        kept += letter
    return kept.rstrip() + mark if room >= len(mark) else ""


def fit(title: str, details: list[str], *links: str) -> str:
    """Title, as much of the details as fits, and the first link that fits, in at most two segments."""
    plain = [_plain(part) for part in (title, *filter(None, details))]
    room = _room_for("".join([*plain, *links]))
    head, *rest = plain if room is GSM_ROOM else [title, *filter(None, details)]
    link = _best(links, room)
    tail = f"\n{link}" if link else ""
    left = room.largest - sum(map(room.cost, tail))
    text = cut(head, min(left, room.title), room)
    for detail in rest:
        left_now = left - sum(map(room.cost, text)) - 1
        if left_now >= min(WORTH_UNITS, sum(map(room.cost, detail))):
            text += "\n" + cut(detail, left_now, room)
    return text + tail


def _best(links: tuple[str, ...], room: _Room) -> str:
    """The first handy link; else the first that fits."""
    sizes = {link: sum(map(room.cost, link)) for link in links if link}
    return next((link for most in (room.handy, room.link) for link, size in sizes.items() if size <= most), "")


def _room_for(text: str) -> _Room:
    return GSM_ROOM if all(letter in GSM or letter in GSM_DOUBLE for letter in text) else UCS_ROOM


def _plain(text: str) -> str:
    """Without emoji, and with the quotes, dashes and spaces of the GSM alphabet."""
    kept = "".join(letter for letter in text.translate(PLAIN) if unicodedata.category(letter) != "So")
    return " ".join(kept.replace("\ufe0f", "").split())
