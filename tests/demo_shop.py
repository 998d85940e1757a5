"""The demo's own service: a little shop in a process of its own, and the command that brings it back.

    python demo_shop.py restart PORT PIDFILE OWNER    ends what is left of it, starts it, waits until it answers
    python demo_shop.py serve PORT OWNER              the shop; it ends by itself when the process OWNER is gone

It runs from this file alone, as a restart command of yours would, and needs nothing but Python.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

UP_WITHIN_SECONDS = 10.0


class Page(BaseHTTPRequestHandler):
    """Says that the shop is open."""

    def do_GET(self) -> None:
        body = b"open\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def serve(port: int, owner: int) -> None:
    """Answer until killed, or until the owner is gone."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while lives(owner):
        time.sleep(0.5)


def lives(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def restart(port: int, pidfile: Path, owner: int) -> int:
    """End the old one, start a new one in a session of its own, wait until it answers; its process."""
    end(pidfile)
    command = [sys.executable, __file__, "serve", str(port), str(owner)]
    quiet = subprocess.DEVNULL
    shop = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    pidfile.write_text(str(shop.pid))
    until = time.monotonic() + UP_WITHIN_SECONDS
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return shop.pid
        time.sleep(0.05)
    raise SystemExit("the shop did not open")


def end(pidfile: Path) -> None:
    """End the shop that the file names, unless its number belongs to another process by now."""
    pid = int(pidfile.read_text()) if pidfile.exists() else 0
    try:
        if pid and __file__.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    except OSError:  # gone already
        pass


if __name__ == "__main__":
    what, number, *more = sys.argv[1:]
    if what == "serve":
        serve(int(number), int(more[0]))
    else:
        print(f"the shop is open again (process {restart(int(number), Path(more[0]), int(more[1]))})")
