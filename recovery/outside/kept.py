"""What is kept of a command's output: its beginning and its end, without secrets."""

from recovery.redact import redact_text

__all__ = ["Kept"]

HEAD_BYTES, TAIL_BYTES = 4_096, 12_288


class Kept:
    """The first and the last of an output, however long it is."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, piece: bytes) -> None:
        """The next piece of it."""
        self._total += len(piece)
        room = HEAD_BYTES - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]

    def text(self) -> str:
        """As text without secrets; what stands beside the cut goes to the next space, lest half a secret stays."""
        cut = self._total - len(self._head) - TAIL_BYTES
        if cut <= 0:
            return _clean(self._head + self._tail)
        head = self._head[: max(map(self._head.rfind, (b" ", b"\n")))]
        tail = bytes(self._tail[-TAIL_BYTES:])
        tail = tail[min((place for place in map(tail.find, (b" ", b"\n")) if place >= 0), default=TAIL_BYTES) :]
        if b"-----END" in tail and b"-----BEGIN" not in tail.partition(b"-----END")[0]:
            tail = tail.partition(b"-----END")[2]
        return f"{_clean(head)}\n[cut: {self._total - len(head) - len(tail)} bytes]\n{_clean(tail)}"


def _clean(output: bytes | bytearray) -> str:
    return redact_text(output.decode(errors="replace").replace("\0", "\ufffd")).strip("\n")
