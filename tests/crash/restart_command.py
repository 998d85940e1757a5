"""A restart command that tells on itself: `restart_command.py FOLDER NAME SECONDS[,SECONDS...] [stubborn]`.

Its work is done by a child process, which outlives a worker that is killed (the kernel ends only the parent with it).
Each run writes `start <pid>` and `end <pid>` into NAME.runs, and `overlap <pid>` where another run is still at work:
the lock that tells is let go by the kernel only when a run's process is gone. A "stubborn" one ignores SIGTERM. With
more than one duration, each run takes the next one.
"""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    folder, name = Path(sys.argv[1]), sys.argv[2]
    durations = [float(text) for text in sys.argv[3].split(",")]
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    work(folder, name, durations)
    os._exit(0)


def work(folder: Path, name: str, durations: list[float]) -> None:
    """Bring the component up, slowly."""
    file = folder / f"{name}.runs"
    before = file.read_text().count("start") if file.exists() else 0
    runs = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with (folder / f"{name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.write(runs, f"overlap {os.getpid()}\n".encode())
        os.write(runs, f"start {os.getpid()}\n".encode())
        time.sleep(durations[min(before, len(durations) - 1)])
        (folder / f"{name}.up").touch()
        os.write(runs, f"end {os.getpid()}\n".encode())


if __name__ == "__main__":
    main()
