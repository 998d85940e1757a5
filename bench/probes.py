"""A thousand HTTP endpoints, each looked at every 30 s: what a look costs, and whether any comes late."""

import asyncio
import multiprocessing
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bench.tables import median, percentile, show
from recovery.worker.checking import next_in_phase
from tests.n8n.real import free_port
from tests.story.medic import Medic

ENDPOINTS, EVERY, SECONDS = 1_000, 30.0, 60.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def main() -> None:
    """The worker for a minute, and beside it a bare event loop that asks the same and keeps nothing."""
    port, seen = free_port(), multiprocessing.Queue()
    server = multiprocessing.Process(target=_serve, args=(port, seen), daemon=True)
    server.start()
    try:
        bare = [asyncio.run(_ask_barely(port, 1_000)) for _ in range(3)]
        with tempfile.TemporaryDirectory(prefix="medic-bench-") as folder:
            cost, looks, late = _measure(Path(folder), port, seen)
    finally:
        server.terminate()
    rows = [
        ["a bare event loop", "", f"{median(bare):.2f}", "1.0", "", ""],
        ["n8n-medic's worker", looks, f"{cost:.2f}", f"{cost / median(bare):.1f}",
         f"{percentile(late, 0.99) * 1000:.0f}", f"{max(late) * 1000:.0f}"],
    ]  # fmt: skip
    heads = ["who looks", "looks", "CPU s per 1,000", "ratio", "late p99 ms", "latest ms"]
    show(f"{ENDPOINTS} HTTP endpoints every {EVERY:g} s, for {SECONDS:g} s, a connection each", heads, rows)


def _serve(port: int, seen: Any) -> None:
    asyncio.run(_answer_all(port, seen))


async def _answer_all(port: int, seen: Any) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        seen.put((line.split()[1].decode(), time.time()))
        while (await reader.readline()).strip():
            pass
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port, backlog=1024) as server:
        await server.serve_forever()


async def _ask_barely(port: int, number: int) -> float:
    await asyncio.sleep(0.3)
    began = time.process_time()
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        for _ in range(number):
            async with session.get(f"http://127.0.0.1:{port}/bare") as answer:
                await answer.read()
    return (time.process_time() - began) * 1000 / number


def _measure(folder: Path, port: int, seen: Any) -> tuple[float, int, list[float]]:
    names = [f"endpoint-{number}" for number in range(ENDPOINTS)]
    components = [
        {"name": name, "every": f"{EVERY:g}s", "check": {"kind": "http", "url": f"http://127.0.0.1:{port}/{name}"}}
        for name in names
    ]
    with Medic(folder, {"components": components}) as medic:
        time.sleep(EVERY + 5)  # the first looks come close together; then each has its phase
        while not seen.empty():
            seen.get()
        worker = next(one for one in medic.family() if one.cmdline()[-2:] == ["recovery", "worker"])
        before, began = _cpu(worker), time.time()
        time.sleep(SECONDS)
        spent = _cpu(worker) - before
    looked = []
    while not seen.empty():
        looked.append(seen.get())
    until = began + SECONDS
    looked = [(path.strip("/"), at) for path, at in looked if began < at <= until]
    late = [one for name in names for one in lateness(name, [at for of, at in looked if of == name], began, until)]
    return spent * 1000 / len(looked), len(looked), late


def lateness(name: str, looked: list[float], began: float, until: float) -> list[float]:
    """Seconds from each time that a look was planned for to the look; to the end, where none came."""
    due = next_in_phase(name, EVERY, datetime.fromtimestamp(began, UTC)).timestamp()
    found = []
    while due < until:
        found.append(min((at for at in looked if at >= due), default=until) - due)
        due += EVERY
    return found


def _cpu(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])
