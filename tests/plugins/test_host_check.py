"""The check of a machine, against ports that take, refuse and stay silent; `recovery.checks.host`."""

import socket
import time
from contextlib import contextmanager

import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.model import FailureType
from recovery.outside.network import Network
from tests.plugins.plugins import run_plugin
from tests.plugins.servers import free_port


class Doors:
    network = Network()


def look(**args):
    plugin = REGISTRY.find("host")
    return run_plugin(plugin, plugin.args.model_validate(args), Doors())


@contextmanager
def silent_port():
    """A port that answers nothing: its queue of connections is full, so the kernel drops what comes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            waiting.append(one)
        time.sleep(0.05)
        try:
            yield listener.getsockname()[1]
        finally:
            for one in waiting:
                one.close()


def test_a_port_that_takes_the_connection_is_a_living_machine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reading = look(host="127.0.0.1", ports=[port])
    assert (reading.healthy, reading.because) == (True, f"is there: port {port} took the connection")
    assert reading.latency_ms > 0


def test_a_port_that_refuses_is_a_living_machine_too():
    port = free_port()
    assert look(host="127.0.0.1", ports=[port]).because == f"is there: port {port} refused the connection"


def test_silence_of_all_ports_is_a_dead_machine_and_one_answer_brings_it_back():
    with silent_port() as port:
        begin = time.monotonic()
        reading = look(host="127.0.0.1", ports=[port], timeout="300ms")
        assert time.monotonic() - begin < 2
        assert (reading.healthy, reading.failure_type) == (False, FailureType.SERVER_UNRESPONSIVE)
        assert reading.because == f"127.0.0.1 answers on no port within 0.3 s (tried {port})"
        assert look(host="127.0.0.1", ports=[port, free_port()], timeout="300ms").healthy
    assert look(host="127.0.0.1", ports=[port]).healthy


def test_a_silent_port_does_not_hold_up_one_that_answers():
    with silent_port() as port:
        begin = time.monotonic()
        assert look(host="127.0.0.1", ports=[port, free_port()], timeout=10).healthy
        assert time.monotonic() - begin < 3


def test_a_name_that_means_several_addresses_is_alive_when_they_refuse():
    assert look(host="localhost", ports=[free_port()]).healthy


def test_a_name_that_does_not_exist_is_unresponsive():
    reading = look(host="no-such-host.invalid", timeout=3)
    assert (reading.healthy, reading.failure_type) == (False, FailureType.SERVER_UNRESPONSIVE)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b", "1:2:3::4::5", "%", "😀" * 60])
def test_a_host_that_cannot_be_is_an_answer(host):
    assert not look(host=host, timeout=1).healthy


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"host": ""},
        {"host": "https://a.example"},
        {"host": "a.example:22"},
        {"host": "me@a.example"},
        {"host": "a\0"},
        {"host": "a", "ports": []},
        {"host": "a", "ports": 22},
        {"host": "a", "ports": [0]},
        {"host": "a", "ports": [65_536]},
        {"host": "a", "ports": ["22"]},
        {"host": "a", "ports": [True]},
        {"host": "a", "ports": list(range(1, 100))},
        {"host": "a", "timeout": -1},
    ],
)
def test_arguments_that_make_no_sense_are_refused(args):
    with pytest.raises(ValidationError):
        REGISTRY.find("host").args.model_validate(args)
