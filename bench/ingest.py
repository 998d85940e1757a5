"""How fast signals are taken in durably, as a ratio of the same Flask and gunicorn that store nothing."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import requests

from bench import load
from bench.tables import median, show
from tests.n8n.real import free_port
from tests.story.medic import TOKENS, Medic

ROUNDS, SECONDS = 3, 6.0


class Reference:
    """The same Flask and gunicorn, answering 202 without storing anything."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/webhooks/n8n-error"
        options = ["--workers", "2", "--worker-class", "gthread", "--threads", "16", "--bind", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "bench.reference:app", "--log-level", "warning", *options],
            start_new_session=True,
        )
        _wait(f"http://127.0.0.1:{self.port}/healthz")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            requests.get(url, timeout=1)
            return
        except requests.RequestException:
            time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer")


def _cpu_seconds(processes: list[psutil.Process], word: str) -> float:
    """CPU time of those of the processes whose command line holds the word."""
    found = [one for one in processes if word in " ".join(one.cmdline())]
    return sum(sum(one.cpu_times()[:2]) for one in found)


def main() -> None:
    """Interleaved rounds, medians."""
    with tempfile.TemporaryDirectory(prefix="medic-bench-") as folder:
        reference, ours = Reference(), Medic(Path(folder), {})
        try:
            ours.start()
            _measure(reference, ours)
        finally:
            reference.stop()
            ours.stop()


def _measure(reference: Reference, ours: Medic) -> None:
    address, token = f"{ours.url}/webhooks/n8n-error", TOKENS["MEDIC_WEBHOOK_TOKEN"]
    load.post(reference.url, token, 1, 1)
    load.post(address, token, 1, 1)
    plain, stored, cpu, work = [], [], [], []
    for number in range(1, ROUNDS + 1):
        plain.append(load.post(reference.url, token, SECONDS, number * 100_000_000))
        family = ours.family()
        before, worked = _cpu_seconds(family, "gunicorn"), _cpu_seconds(family, "worker")
        stored.append(load.post(address, token, SECONDS, number * 100_000_000))
        spent = _cpu_seconds(family, "gunicorn") - before
        cpu.append(spent / (stored[-1].per_second * SECONDS) * 1e6)
        work.append((_cpu_seconds(family, "worker") - worked) / (stored[-1].per_second * SECONDS) * 1e6)
    ratios = [one.per_second / other.per_second for one, other in zip(stored, plain, strict=True)]
    refused = sum(one.refused for one in stored)
    rows = [
        ["stores nothing", *_figures(plain), "1.00", "1.00", "", ""],
        [
            "n8n-medic",
            *_figures(stored),
            f"{median(ratios):.2f}",
            f"{_of_best(stored, plain):.2f}",
            *_per_request(cpu, work),
        ],
    ]
    heads = [
        "what answers",
        "requests/s",
        "p99 ms",
        "ratio",
        "of its best",
        "web CPU us/request",
        "worker CPU us/request",
    ]
    title = f"Durable ingest, 1.5 KB item, 32 connections, worker beside it, {load.generator()}; {refused} refused"
    show(title, heads, rows)


def _of_best(stored: list[load.Load], plain: list[load.Load]) -> float:
    """Beside the best round of what stores nothing: in others, gunicorn gives all connections to one process."""
    return median([one.per_second for one in stored]) / max(one.per_second for one in plain)


def _per_request(*cpu: list[float]) -> list[str]:
    return [f"{median(one):.0f}" for one in cpu]


def _figures(loads: list[load.Load]) -> list[str]:
    return [f"{median([one.per_second for one in loads]):.0f}", f"{median([one.p99_ms for one in loads]):.0f}"]
