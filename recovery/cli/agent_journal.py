"""What an agent was asked to restart, on disk before anything is done: so that nothing is ever done twice."""

import fcntl
import json
import os
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from recovery.cli.agent_plan import BadPlan

LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """Where the agent stands.

    Fields:
        mark: under which the next request is, or was, taken: made up before, so that a lost answer is asked for again.
        request_id: what was taken; None: nothing yet.
        process: the process group of the command and its start, once that is known.
        answer: what came of it, until n8n-medic has it. Begun and without an answer, nobody knows.
    """

    mark: str
    request_id: int | None = None
    process: tuple[int, float] | None = None
    answer: dict[str, Any] | None = None


class Journal:
    """One agent's entry, in a file that only one process holds.

    Raises:
        BadPlan: another agent holds it, or it cannot be used.
    """

    def __init__(self, path: Path):
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.entry = self._read() or Entry(uuid.uuid4().hex)
            self._write(self.entry)
        except BlockingIOError:
            raise BadPlan(f"another agent of this name runs here already: it holds {path}") from None
        except OSError as error:
            raise BadPlan(f"{path} cannot be used: {error.strerror}") from None

    def begin(self, request_id: int) -> None:
        """Written just before the effect. Raises OSError where it cannot be: then nothing is done."""
        self._keep(replace(self.entry, request_id=request_id))

    def note_process(self, group: int, start: float) -> None:
        """Written before the command does anything. Raises OSError."""
        self._keep(replace(self.entry, process=(group, start)))

    def end(self, request_id: int, answer: dict[str, Any]) -> None:
        """What came of it. Where that cannot be written, it is still told, as long as this process lives."""
        ended = replace(self.entry, request_id=request_id, answer=answer)
        try:
            self._keep(ended)
        except OSError:
            self.entry = ended

    def clear(self) -> None:
        """The answer was taken: the next request may come. Raises OSError."""
        self._keep(Entry(uuid.uuid4().hex))

    def _keep(self, entry: Entry) -> None:
        self._write(entry)
        self.entry = entry

    def _read(self) -> Entry | None:
        try:
            with self._path.open("rb") as file:
                kept = json.loads(file.read(LONGEST))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError):
            raise OSError(0, "it is damaged: delete it, and look whether what was asked last has happened") from None
        return _entry(kept)

    def _write(self, entry: Entry) -> None:
        half = self._path.with_name(f".{self._path.name}.new")
        try:
            with half.open("w") as file:
                half.chmod(0o600)
                json.dump(asdict(entry), file)
                file.flush()
                os.fsync(file.fileno())
            half.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError:
            with suppress(OSError):
                half.unlink()
            raise


def _entry(kept: Any) -> Entry:
    try:
        entry = Entry(**kept)
        process = (int(entry.process[0]), float(entry.process[1])) if entry.process else None
        return replace(entry, process=process)
    except (TypeError, ValueError, IndexError):
        raise OSError(0, "it is damaged: delete it, and look whether what was asked last has happened") from None
