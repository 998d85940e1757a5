"""POSTs of the 1.5 KB n8n item over 32 connections: by wrk where it is installed, else by processes of our own."""

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from urllib.parse import urlsplit

from bench.tables import percentile

FIXTURE = Path(__file__).parent.parent / "tests" / "fixtures" / "n8n-error-trigger-http-500.json"
MARK = "__EXECUTION_ID__"
LUA = """
local template = [==[%s]==]
local first, last = template:match("^(.-)__EXECUTION_ID__(.*)$")
local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
function init(args) count = 0; start = %d end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-Medic-Token"] = "%s"
function request()
  count = count + 1
  return wrk.format(nil, nil, nil, first .. (start + number * 10000000 + count) .. last)
end
"""


@dataclass(frozen=True)
class Load:
    """What came of a load: requests a second, 99th percentile of the answer's time (ms), answers that were no 2xx."""

    per_second: float
    p99_ms: float
    refused: int


def body_with_mark() -> str:
    """The fixture as n8n sends it, with a mark where the execution's id goes."""
    payload = json.loads(FIXTURE.read_text())
    del payload["execution"]["error"]["stack"]
    payload["execution"]["id"] = MARK
    return json.dumps(payload, separators=(",", ":"))


def post(url: str, token: str, seconds: float, start: int, connections: int = 32) -> Load:
    """Load `url` for so many seconds; execution ids count up from `start`."""
    if shutil.which("wrk"):
        return _wrk(url, token, seconds, start, connections)
    return _own(url, token, seconds, start, connections)


def generator() -> str:
    """What generates the load."""
    return "wrk" if shutil.which("wrk") else "our own generator (apt-get install wrk for a lighter one)"


def _wrk(url: str, token: str, seconds: float, start: int, connections: int) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % (body_with_mark(), start, token))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", script.name, url]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", told)[1])  # type: ignore[index]
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", told).groups()  # type: ignore[union-attr]
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]
    return Load(rate, float(number) * scale, int(refused[1]) if refused else 0)


def _own(url: str, token: str, seconds: float, start: int, connections: int) -> Load:
    parts = urlsplit(url)
    jobs = [(parts.hostname, parts.port, parts.path, token, seconds, start + n * 1_000_000) for n in range(connections)]
    with Pool(connections) as pool:
        found = pool.map(_hammer, jobs)
    times = [one for took, _ in found for one in took]
    return Load(len(times) / seconds, percentile(times, 0.99) * 1000, sum(refused for _, refused in found))


def _hammer(job: tuple[str, int, str, str, float, int]) -> tuple[list[float], int]:
    host, port, path, token, seconds, start = job
    first, last = body_with_mark().split(MARK)
    times, refused, count = [], 0, 0
    with socket.create_connection((host, port)) as line:
        until = time.monotonic() + seconds
        while (began := time.monotonic()) < until:
            count += 1
            body = f"{first}{start + count}{last}".encode()
            head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            line.sendall(f"{head}X-Medic-Token: {token}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            refused += not _whole_answer(line).startswith(b"HTTP/1.1 2")
            times.append(time.monotonic() - began)
    return times, refused


def _whole_answer(line: socket.socket) -> bytes:
    """Head and body: gunicorn may send them one after the other."""
    answer = line.recv(65_536)
    while b"\r\n\r\n" not in answer:
        answer += line.recv(65_536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
    while len(body) < length:
        body += line.recv(65_536)
    return head


if __name__ == "__main__":
    print(post(sys.argv[1], sys.argv[2], 5, 1))
