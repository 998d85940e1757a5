"""One case for each action: how it is made slow, how to see that it is under way, and what a kill must leave."""

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import redis

from recovery.clock import utc_now
from recovery.store import requests
from tests.crash.scene import RESTART, Scene, is_alive
from tests.crash.slow_parts import Slow, slow_http, slow_proxy
from tests.n8n import workflows as flow
from tests.plugins.databases import PostgreSQL, redis_server
from tests.plugins.dockers import Daemon
from tests.plugins.sshd import running_sshd
from tests.standins.service import hang

OLD = 3 * 86_400
SYSTEMCTL = """#!/bin/sh
case "$2" in
show) printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\n';;
restart) exec {command};;
esac
"""
# NVIDIA's library with one GPU whose memory is full, held by a process that is of a service: no other GPU is here.
NVML = """import os
from types import SimpleNamespace
from recovery.model import Owner
from recovery.outside import processes

class NVMLError(Exception):
    pass

def _refuse(*args):
    raise NVMLError("not supported")

def __getattr__(name):
    return _refuse if name.startswith("nvmlDevice") else 0

nvmlInit = nvmlShutdown = lambda: None
nvmlDeviceGetCount = lambda: 1
nvmlDeviceGetHandleByIndex = lambda index: index
nvmlDeviceGetUUID = nvmlDeviceGetName = lambda card: "GPU 0"
nvmlDeviceGetMemoryInfo = lambda card: SimpleNamespace(used=99, total=100, free=1)
nvmlDeviceGetComputeRunningProcesses = lambda card: [SimpleNamespace(pid=os.getpid())]
nvmlDeviceGetGraphicsRunningProcesses = lambda card: []
processes.owner_of = lambda pid: Owner("x", unit="x.service")
"""
DEAF = """import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: open(sys.argv[1], "a").write("asked\\n"))
os.write(1, b"up")
while True:
    time.sleep(0.05)
"""


@dataclass
class Case:
    """An action that can be killed in its middle.

    Fields:
        args: of the action, as they are configured.
        times: how often its effect was asked for, seen from outside.
        over: asked once another worker has taken over and the step has ended: what must be then.
        left: processes of the first run, which must be gone.
        then: for an action whose run outlives its worker: what ends it, once another worker is there.
    """

    args: dict[str, Any]
    times: Callable[[], int]
    over: Callable[[], bool] = lambda: True
    left: Callable[[], list[int]] = list
    then: Callable[[], None] | None = None


def commanded(scene: Scene, args: dict[str, Any]) -> Case:
    """An action that runs our slow command: its first run never ends by itself."""

    def begun() -> list[str]:
        return [line.split()[1] for line in scene.shop.runs("x") if line.startswith("start")]

    def over() -> bool:
        return not any(line.startswith("overlap") for line in scene.shop.runs("x"))

    return Case(args, lambda: len(begun()), over, lambda: [int(pid) for pid in begun()[:1]])


def slow_command(scene: Scene, *more: str) -> list[str]:
    return [sys.executable, str(RESTART), str(scene.folder), "x", "40,0", *more]


@contextmanager
def run_command(scene: Scene) -> Iterator[Case]:
    yield commanded(scene, {"command": slow_command(scene)})


def slow_systemctl(scene: Scene) -> None:
    folder = scene.folder / "bin"
    folder.mkdir()
    program = folder / "systemctl"
    program.write_text(SYSTEMCTL.format(command=" ".join(slow_command(scene))))
    program.chmod(0o755)
    scene.medic.env["PATH"] = f"{folder}:{os.environ['PATH']}"


@contextmanager
def restart_service(scene: Scene) -> Iterator[Case]:
    slow_systemctl(scene)
    yield commanded(scene, {"service": "x.service"})


@contextmanager
def restart_gpu_service(scene: Scene) -> Iterator[Case]:
    slow_systemctl(scene)
    folder = scene.folder / "nvidia"
    folder.mkdir()
    (folder / "pynvml.py").write_text(NVML)
    scene.medic.env["PYTHONPATH"] = f"{folder}:{scene.medic.env['PYTHONPATH']}"
    yield commanded(scene, {"services": ["x.service"]})


@contextmanager
def reboot_host(scene: Scene) -> Iterator[Case]:
    yield commanded(scene, {"command": slow_command(scene), "needs_approval": False})


@contextmanager
def scale_up(scene: Scene) -> Iterator[Case]:
    words = {"count": ["echo", "1"], "scale": slow_command(scene, "{{replicas}}")}
    yield commanded(scene, {"ceiling": 3, "command": words})


@contextmanager
def restart_remote(scene: Scene) -> Iterator[Case]:
    """What was begun on another host goes on there: nobody here can end it, as its docs say."""
    with running_sshd() as sshd:
        known = {"host": "127.0.0.1", "port": sshd.port, "user": sshd.user, "key_file": str(sshd.key)}
        case = commanded(scene, {**known, "host_key": sshd.line(), "command": slow_command(scene)})
        yield Case(case.args, case.times)
        for pid in case.left():
            if is_alive(pid):
                os.kill(pid, 9)


@contextmanager
def restart_container(scene: Scene) -> Iterator[Case]:
    slow, folder = Slow(), tempfile.mkdtemp(prefix="medic-docker-")
    daemon = Daemon(Path(folder) / "s")
    restart = daemon.restart

    def slowly(name: str, stop: str | None) -> Any:
        slow.pass_through()
        return restart(name, stop)

    daemon.restart = slowly
    yield Case({"container": "n8n", "socket": daemon.path}, lambda: slow.times, lambda: bool(daemon.restarted))
    slow.let_go()
    daemon.close()
    shutil.rmtree(folder)


@contextmanager
def kill_process(scene: Scene) -> Iterator[Case]:
    asked = scene.folder / "asked"
    mark = str(asked)
    deaf = subprocess.Popen([sys.executable, "-S", "-c", DEAF, mark], stdout=subprocess.PIPE)
    assert deaf.stdout and deaf.stdout.read(2) == b"up"

    def times() -> int:
        return asked.read_text().count("asked") if asked.exists() else 0

    yield Case({"command": mark, "grace": "3s"}, times, lambda: deaf.poll() == -9)
    deaf.kill()
    deaf.wait()


@contextmanager
def call_webhook(scene: Scene) -> Iterator[Case]:
    slow = Slow()
    with slow_http(slow) as url:
        yield Case({"url": f"{url}/webhook/heal"}, lambda: slow.times)


run_workflow = call_webhook


@contextmanager
def failover(scene: Scene) -> Iterator[Case]:
    slow = Slow()
    with slow_http(slow) as url:
        endpoints = ["http://127.0.0.1:9", f"{url}/standby"]
        yield Case({"endpoints": endpoints, "timeout": "30s"}, lambda: slow.times)


@contextmanager
def clear_cache(scene: Scene) -> Iterator[Case]:
    slow = Slow()
    with (
        redis_server() as server,
        redis.Redis(port=server.port) as known,
        slow_proxy(slow, server.port, b"UNLINK") as port,
    ):
        for number in range(1_500):
            known.set(f"cache:{number}", "x")
        args = {"cache": "redis", "port": port, "pattern": "cache:*"}
        yield Case(args, lambda: slow.times, lambda: known.dbsize() == 0)


@contextmanager
def free_disk(scene: Scene) -> Iterator[Case]:
    """Packing takes its time by itself: the kill falls where the copy is half written."""
    folder, content = scene.folder / "logs", os.urandom(60_000_000)
    folder.mkdir()
    file, half = folder / "a.log", folder / ".a.log.medic-part"
    file.write_bytes(content)
    os.utime(file, (time.time() - OLD,) * 2)

    def over() -> bool:
        packed = folder / "a.log.gz"
        return [one.name for one in folder.iterdir()] == ["a.log.gz"] and gzip.decompress(
            packed.read_bytes()
        ) == content

    args = {"folders": [str(folder)], "names": ["*.log"], "how": "gzip", "keep_free": None}
    yield Case(args, lambda: int(half.exists()), over)


@contextmanager
def reconnect_database(scene: Scene) -> Iterator[Case]:
    slow, folder = Slow(), tempfile.mkdtemp(prefix="medic-pg-")
    server = PostgreSQL(folder)
    server.start()
    here = f"host=127.0.0.1 port={server.port} dbname=postgres user="
    with psycopg.connect(f"{here}postgres", autocommit=True) as chief:
        chief.execute("CREATE ROLE medic LOGIN")
        chief.execute("CREATE ROLE orders LOGIN")
        chief.execute("GRANT pg_signal_backend, pg_read_all_stats TO medic")
    idle = psycopg.connect(f"{here}orders")
    idle.execute("SELECT 1")
    with slow_proxy(slow, server.port, b"pg_terminate_backend") as port:
        args = {"engine": "postgresql", "port": port, "user": "medic", "database": "postgres"}
        yield Case(
            {**args, "idle_in_transaction": "300ms", "blocking": None}, lambda: slow.times, lambda: _is_gone(idle)
        )
    server.stop()
    shutil.rmtree(folder)


def _is_gone(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return True
    return False


@contextmanager
def republish_workflow(scene: Scene) -> Iterator[Case]:
    slow, n8n = Slow(), scene.n8n
    workflow_id = n8n.create_workflow(flow.workflow("live", flow.webhook("live"), flow.no_op("Live")))
    n8n.activate(workflow_id, "live")
    publish = n8n._api.publish_workflow

    def slowly(*args: Any, **more: Any) -> Any:
        done = publish(*args, **more)
        slow.pass_through()
        return done

    n8n._api.publish_workflow = slowly
    yield Case({"workflows": [workflow_id]}, lambda: slow.times, lambda: n8n.webhook_answers("live"))
    slow.let_go()


@contextmanager
def stop_execution(scene: Scene) -> Iterator[Case]:
    slow, n8n = Slow(), scene.n8n
    node = flow.http("Call", f"{scene.shop.url}/slow", "GET")
    workflow_id = n8n.create_workflow(flow.workflow("slow", flow.webhook("slow"), node))
    n8n.activate(workflow_id, "slow")
    scene.shop.behave("/slow", hang(40))
    n8n.call("slow", {})
    run = scene.wait("the run", lambda: next(iter(n8n.engine.executions.values()), None))
    run.started -= timedelta(hours=5)
    stop = n8n._api.stop_execution

    def slowly(*args: Any, **more: Any) -> Any:
        done = stop(*args, **more)
        slow.pass_through()
        return done

    n8n._api.stop_execution = slowly
    yield Case({"workflows": [workflow_id], "longer_than": "1h"}, lambda: slow.times, lambda: run.status == "canceled")
    slow.let_go()


@contextmanager
def restart_by_agent(scene: Scene) -> Iterator[Case]:
    """An agent that takes what it is asked for, and answers only once another worker waits for it.

    The request is a row, so that a killed worker takes nothing with it: it is neither lost nor asked twice.
    """
    mark, taken = "0" * 32, list[int]()

    def take() -> int:
        requests.note_agent("box", ["shop"], utc_now())
        found = requests.take("box", mark, utc_now())
        taken.extend([found.id] if found and found.id not in taken else [])
        return len(taken)

    def answer() -> None:
        requests.answer("box", taken[0], mark, {"how": "ended", "code": 0, "output": "up"}, utc_now())

    yield Case({"agent": "box", "what": "shop"}, take, lambda: take() == 1, then=answer)


@contextmanager
def restart_n8n(scene: Scene) -> Iterator[Case]:
    """The stand-in n8n stays up meanwhile: what is killed is whatever starts it anew."""
    yield commanded(scene, {"command": {"command": slow_command(scene)}})
