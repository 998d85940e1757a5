"""The check of a name, against a small real name server; `recovery.checks.dns`."""

import socket
import threading
import time
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.model import FailureType
from recovery.outside.network import Network
from tests.plugins.plugins import run_plugin


class Doors:
    network = Network()


def look(**args):
    plugin = REGISTRY.find("dns")
    return run_plugin(plugin, plugin.args.model_validate(args), Doors())


class Zone:
    """A name server on this machine: `records` maps (name, type) to addresses, or to an error such as "SERVFAIL"."""

    def __init__(self):
        self.records = {}
        self.silent = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                wire, asker = self._socket.recvfrom(4_096)
            except OSError:
                return
            if wire and not self.silent:
                self._socket.sendto(self._answer(dns.message.from_wire(wire)), asker)

    def _answer(self, query):
        reply = dns.message.make_response(query)
        question = query.question[0]
        name, kind = question.name.to_text().rstrip("."), dns.rdatatype.to_text(question.rdtype)
        found = self.records.get((name, kind))
        if isinstance(found, str):
            reply.set_rcode(dns.rcode.from_text(found))
        elif found:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *found))
        elif name not in {one for one, _ in self.records}:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()

    def close(self):
        self._socket.close()


@contextmanager
def serving():
    zone = Zone()
    try:
        yield zone
    finally:
        zone.close()


@pytest.fixture
def zone():
    with serving() as made:
        yield made


def ask(zone, **more):
    return look(name="db.example.com", server="127.0.0.1", port=zone.port, **{"timeout": 1, **more})


def test_a_name_that_is_known_is_healthy(zone):
    zone.records["db.example.com", "A"] = ["192.0.2.10"]
    reading = ask(zone)
    assert (reading.healthy, reading.because) == (True, "db.example.com is 192.0.2.10")
    assert ask(zone, record="A").healthy


def test_a_name_that_vanishes_is_noticed_and_comes_back(zone):
    reading = ask(zone)
    assert (reading.healthy, reading.failure_type) == (False, FailureType.SERVER_UNRESPONSIVE)
    assert reading.because == f"127.0.0.1 port {zone.port} says that db.example.com does not exist"
    zone.records["db.example.com", "AAAA"] = ["2001:db8::1"]
    assert ask(zone).because == "db.example.com is 2001:db8::1"
    assert "knows no such address" in ask(zone, record="A").because


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED"])
def test_a_server_that_cannot_say_is_a_failure_with_its_word(zone, code):
    zone.records = {("db.example.com", "A"): code, ("db.example.com", "AAAA"): code}
    reading = ask(zone)
    assert (reading.healthy, reading.failure_type) == (False, FailureType.SERVER_UNRESPONSIVE)
    assert code in reading.because


def test_a_server_that_is_silent_is_waited_for_no_longer_than_allowed(zone):
    zone.silent = True
    begin = time.monotonic()
    reading = ask(zone, timeout="300ms")
    assert time.monotonic() - begin < 2
    assert reading.failure_type == FailureType.SERVER_UNRESPONSIVE
    assert reading.because == f"no answer from 127.0.0.1 port {zone.port} about db.example.com within 0.3 s"
    zone.silent, zone.records["db.example.com", "A"] = False, ["192.0.2.10"]
    assert ask(zone).healthy


def test_an_address_that_nobody_expects_is_an_error(zone):
    zone.records["db.example.com", "A"] = ["192.0.2.10", "203.0.113.66"]
    reading = ask(zone, expect=["192.0.2.10"])
    assert (reading.healthy, reading.failure_type) == (False, FailureType.API_ERROR)
    assert reading.because == "db.example.com is 203.0.113.66, which is not expected"
    assert ask(zone, expect=["192.0.2.10", "203.0.113.66"]).healthy


def test_an_address_may_be_written_in_another_way(zone):
    zone.records["db.example.com", "AAAA"] = ["2001:db8::1"]
    assert ask(zone, expect=["2001:0DB8:0:0::1"]).healthy


def test_the_system_resolves_too():
    assert "127.0.0.1" in look(name="localhost", record="A").because
    reading = look(name="no-such-name.invalid", timeout=3)
    assert (reading.healthy, reading.failure_type) == (False, FailureType.SERVER_UNRESPONSIVE)


def test_many_addresses_are_counted(zone):
    zone.records["db.example.com", "A"] = [f"192.0.2.{last}" for last in range(1, 8)]
    assert ask(zone).because.endswith("and 3 more")


def test_a_label_that_is_too_long_is_an_answer():
    for more in ({}, {"server": "127.0.0.1", "port": 1}):
        reading = look(name="a" * 64 + ".example", timeout=1, **more)
        assert not reading.healthy
        assert reading.failure_type == FailureType.API_ERROR


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"name": ""},
        {"name": "https://db.example.com"},
        {"name": "db.example.com:53"},
        {"name": "two names"},
        {"name": "a..b"},
        {"name": "a\0b"},
        {"name": "a", "server": "dns.example.com"},
        {"name": "a", "server": "1.2.3.4:53"},
        {"name": "a", "port": 0},
        {"name": "a", "port": True},
        {"name": "a", "expect": ["not an address"]},
        {"name": "a", "expect": "192.0.2.1"},
        {"name": "a", "record": "MX"},
        {"name": "a", "timeout": 0},
    ],
)
def test_arguments_that_make_no_sense_are_refused(args):
    with pytest.raises(ValidationError):
        REGISTRY.find("dns").args.model_validate(args)
