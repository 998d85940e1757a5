"""Anchors, asked over real sockets: one that takes the connection is enough."""

import asyncio
import time

import pytest

from recovery.outside.http import Http
from recovery.outside.network import Network
from recovery.worker.connectivity import ANCHOR_SECONDS, _is_online
from tests.plugins.servers import free_port, raw_server, silent

UNROUTABLE = "192.0.2.1:443"


class Doors:
    http, network = Http(), Network()


def reaches(*anchors: str) -> bool:
    return asyncio.run(_is_online(Doors(), anchors))


def test_one_anchor_that_answers_is_enough() -> None:
    with raw_server(silent) as port:
        assert reaches(f"127.0.0.1:{free_port()}", f"127.0.0.1:{port}")


def test_where_no_name_can_be_resolved_an_address_that_answers_is_not_enough() -> None:
    with raw_server(silent) as port:
        assert not reaches(f"127.0.0.1:{port}", "no-such-host.invalid:443", "nor-this-one.invalid:443")
        assert reaches(f"127.0.0.1:{port}", "no-such-host.invalid:443", f"localhost:{free_port()}")
        assert reaches(f"localhost:{port}")


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", "[::1]"])
def test_an_anchor_that_refuses_or_cannot_be_found_does_not_answer(host: str) -> None:
    assert not reaches(f"{host}:{free_port()}")


def test_an_anchor_that_never_answers_is_waited_for_a_few_seconds_only() -> None:
    began = time.monotonic()
    assert not reaches(UNROUTABLE, UNROUTABLE)
    assert time.monotonic() - began < ANCHOR_SECONDS + 2
