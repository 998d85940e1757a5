"""`make bench`: all benchmarks, or those that are named: `python -m bench ingest latency ticks`."""

import sys

from bench import alerts_month, deaths, ingest, latency, learning, probes, telling, ticks

BENCHES = {
    "ingest": ingest.main,
    "latency": latency.main,
    "ticks": ticks.main,
    "probes": probes.main,
    "deaths": deaths.main,
    "learning": learning.main,
    "telling": telling.main,
    "alerts-month": alerts_month.main,
}


def main() -> None:
    """Run them one after the other, and print each one's table as it ends."""
    wanted = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        sys.exit(f"no benchmark named {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    for name in wanted:
        BENCHES[name]()


if __name__ == "__main__":
    main()
