"""Docker's stream of events, from a small real server that speaks its API; `recovery.outside.docker_events`."""

import json
import socket
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from recovery.outside import docker_events
from recovery.outside.background import Background
from recovery.outside.docker import Docker
from recovery.outside.docker_events import LINE_BYTES, Events
from tests.plugins.servers import raw_server
from tests.story.engine import Engine, restartable

ID = "4f5c" * 16
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(action="die", name="n8n", one=ID, kind="container", **more):
    """An event as Docker 27 writes it."""
    actor = {"ID": one, "Attributes": {"exitCode": "137", "image": "n8nio/n8n", "name": name}}
    told = {"status": action, "id": one, "from": "n8nio/n8n", "Type": kind, "Action": action, "Actor": actor}
    return json.dumps(told | {"scope": "local", "time": 1767225600, "timeNano": 1767225600000000001} | more).encode()


def chunk(content):
    return b"%x\r\n%s\r\n" % (len(content), content)


class Daemon:
    """Docker's API on a unix socket: each stream of events is given to `talk`, with its number."""

    def __init__(self, path, talk=None):
        self.path, self.asked, self.streams = str(path), [], []
        self.inspected = {"State": {"Status": "running", "Running": True}, "RestartCount": 0}
        daemon = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = self.request.recv(65_536)
                    if not piece:
                        return
                    head += piece
                path = head.split()[1].decode()
                daemon.asked.append(path)
                if not path.startswith("/events"):
                    body = json.dumps(daemon.inspected).encode()
                    self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                    return
                daemon.streams.append(self.request)
                if talk:
                    talk(self.request, len(daemon.streams))
                    return
                self.request.sendall(HEAD)
                while self.request.recv(1):
                    pass

        self._server = socketserver.ThreadingUnixStreamServer(self.path, Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def tell(self, *lines):
        wait_for(lambda: self.streams)
        self.streams[-1].sendall(chunk(b"\n".join(lines) + b"\n"))

    def close(self):
        self._server.shutdown()
        for stream in self.streams:
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._server.server_close()
        Path(self.path).unlink(missing_ok=True)


def wait_for(holds, seconds=5):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)


class Told(list):
    """The keys that were told of."""

    def soon(self, *keys):
        wait_for(lambda: len(self) >= len(keys))
        time.sleep(0.05)
        assert sorted(self) == sorted(keys)
        self.clear()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def events():
    return Events(Background(), settle_seconds=0.02, first_pause_seconds=0.02)


@pytest.fixture
def daemon(folder):
    made = Daemon(folder / "s")
    yield made
    made.close()


def test_one_stream_for_each_daemon_asks_for_what_is_needed_and_tells_who_is_meant(daemon, events, told):
    address = f"unix://{daemon.path}"
    for key, container in (("engine", "n8n"), ("by id", ID[:12]), ("other", "redis")):
        events.watch(key, container, address, told.append)
    daemon.tell(event())
    told.soon("engine", "by id")
    daemon.tell(event("oom", "redis", "aa" * 32))
    told.soon("other")
    assert len(daemon.asked) == 1
    asked = urlsplit(daemon.asked[0])
    filters = json.loads(parse_qs(asked.query)["filters"][0])
    assert asked.path == "/events" and filters["type"] == ["container"]
    assert set(filters["event"]) == {"die", "oom", "stop", "health_status"}


def test_only_what_is_bad_is_told_and_one_death_once(daemon, events, told):
    events.watch("engine", "n8n", f"unix://{daemon.path}", told.append)
    good = [event(action) for action in ("start", "health_status: healthy", "kill", "exec_die", "restart")]
    daemon.tell(*good, event("die", kind="image"), event("die", "n8n-2", "bb" * 32))
    time.sleep(0.1)
    assert told == []
    daemon.tell(event("oom"), event("die"), event("stop"))
    told.soon("engine")
    daemon.tell(event("health_status: unhealthy"))
    told.soon("engine")


def test_an_event_in_pieces_is_one_event(daemon, events, told):
    events.watch("engine", "n8n", f"unix://{daemon.path}", told.append)
    wait_for(lambda: daemon.streams)
    line = event() + b"\r\n\n"
    for place in range(0, len(line), 40):
        daemon.streams[0].sendall(chunk(line[place : place + 40]))
    told.soon("engine")


def test_a_component_that_looks_elsewhere_is_not_told_any_more(daemon, events, told, folder):
    events.watch("engine", "n8n", f"unix://{daemon.path}", told.append)
    wait_for(lambda: daemon.streams)
    events.watch("engine", "n8n", f"unix://{folder}/other", told.append)
    daemon.tell(event())
    time.sleep(0.1)
    assert told == []


def test_a_docker_that_comes_late_is_found_and_one_that_goes_is_followed_again(events, told, folder):
    address = f"unix://{folder}/s"
    events.watch("engine", "n8n", address, told.append)
    time.sleep(0.05)
    assert told == [], "no Docker is no news"
    first = Daemon(folder / "s")
    told.soon("engine")  # nobody knows what happened before
    first.close()
    second = Daemon(folder / "s")
    told.soon("engine")
    second.tell(event())
    told.soon("engine")
    second.close()


def test_pauses_grow_where_the_stream_is_closed_at_once(events, told, folder):
    daemon = Daemon(folder / "s", lambda stream, number: None)
    events.watch("engine", "n8n", f"unix://{daemon.path}", told.append)
    time.sleep(1.0)
    assert 3 <= len(daemon.streams) <= 14, "0.02, 0.04, 0.08 ... seconds apart, and the library asks twice"
    daemon.close()


def _endless(stream):
    stream.sendall(HEAD)
    try:
        for _ in range(LINE_BYTES // 65_536 + 20):
            stream.sendall(chunk(b"x" * 65_536))
        stream.recv(1)
    except OSError:
        pass


BAD_STREAMS = {
    "garbage": lambda stream: stream.sendall(HEAD + chunk(b"\x00\xff{]\n" * 100)),
    "a list": lambda stream: stream.sendall(HEAD + chunk(b"[]\n")),
    "odd kinds": lambda stream: stream.sendall(HEAD + chunk(b'{"Actor": "x", "Action": "die"}\n')),
    "deep": lambda stream: stream.sendall(HEAD + chunk(b"[" * 100_000 + b"\n")),
    "not HTTP": lambda stream: stream.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "forbidden": lambda stream: stream.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
    "elsewhere": lambda stream: stream.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"),
    "cut": lambda stream: stream.sendall(HEAD + chunk(event())[:-30]),
    "bad chunk": lambda stream: stream.sendall(HEAD + b"zz\r\nx\r\n"),
    "without an end": _endless,
}


@pytest.mark.parametrize("kind", BAD_STREAMS)
def test_a_daemon_that_talks_nonsense_is_left_and_asked_again(events, told, folder, kind):
    def talk(stream, number):
        if number == 1:
            BAD_STREAMS[kind](stream)
            return
        stream.sendall(HEAD + chunk(event() + b"\n"))
        stream.recv(1)

    daemon = Daemon(folder / "s", talk)
    events.watch("engine", "n8n", f"unix://{daemon.path}", told.append)
    wait_for(lambda: len(daemon.streams) == 2)
    told.soon("engine")
    daemon.close()


def test_a_daemon_that_hangs_holds_up_nobody_and_is_asked_again(monkeypatch, events, told, folder):
    monkeypatch.setattr(docker_events, "SILENT_SECONDS", 0.1)
    with socketserver.UnixStreamServer(f"{folder}/s", None) as deaf:
        begin = time.monotonic()
        events.watch("engine", "n8n", f"unix://{folder}/s", told.append)
        assert time.monotonic() - begin < 0.1
        deaf.socket.settimeout(5)
        asked = [deaf.socket.accept()[0] for _ in range(2)]
        assert all(one.recv(100).startswith(b"GET /events?") for one in asked)
        for one in asked:
            one.close()
    assert told == []


def test_what_is_compressed_is_not_unpacked(events, told, folder):
    import gzip

    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"\n" * 50_000_000 + event() + b"\n")
    refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    daemon = Daemon(folder / "s", lambda stream, number: stream.sendall(packed if number == 1 else refused))
    events.watch("engine", "n8n", f"unix://{daemon.path}", told.append)
    wait_for(lambda: len(daemon.streams) >= 2)
    time.sleep(0.1)
    assert told == []
    daemon.close()


def test_docker_over_tcp_is_followed_too(events, told):
    def talk(stream):
        stream.recv(65_536)
        stream.sendall(HEAD + chunk(event() + b"\n"))
        stream.recv(1)

    with raw_server(talk) as port:
        events.watch("engine", "n8n", f"tcp://127.0.0.1:{port}", told.append)
        told.soon("engine")


def test_a_process_that_follows_events_ends_in_silence(daemon):
    program = (
        "import sys, time; from recovery.outside.docker import Docker;"
        "Docker().watch('a', 'n8n', sys.argv[1], print); time.sleep(0.5)"
    )
    command = [sys.executable, "-c", program, f"unix://{daemon.path}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr, len(daemon.streams)) == (0, "", "", 1)


@pytest.mark.usefixtures("store")
def test_a_dead_container_is_an_incident_long_before_the_next_look(fake_clock, daemon):
    from dataclasses import replace

    from recovery.model import PlannedCheck
    from recovery.store import components, database
    from recovery.worker.looks import Looks

    background, woken = Background(), threading.Event()
    plan = restartable("engine", every_seconds=3600.0)
    check = PlannedCheck("docker", {"container": "n8n", "socket": daemon.path})
    assert plan.playbook
    plan = replace(plan, playbook=replace(plan.playbook, check=check))
    engine = Engine(fake_clock, components={"engine": plan})
    engine.outside.docker = Docker(background)
    engine.outside.docker._events = Events(background, settle_seconds=0.02)
    engine.ctx.background, engine.ctx.looks = background, Looks(engine.outside, background, woken.set)
    with database.write():
        components.configure_components({"engine": fake_clock.now}, fake_clock.now)
    wait_for(lambda: engine.tick(1) or engine.component("engine").health == "healthy")
    assert engine.component("engine").run_at > fake_clock.advance(1)
    daemon.inspected = {"State": {"Status": "exited", "ExitCode": 137}, "RestartCount": 0}
    woken.clear()
    daemon.tell(event())
    assert woken.wait(5) and engine.ctx.looks.died
    wait_for(lambda: engine.tick(1) or engine.incidents())
    assert engine.incident("engine").cause.endswith("exit code 137")
