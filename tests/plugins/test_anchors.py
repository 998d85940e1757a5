"""Anchors, asked over real sockets: one that takes the connection is enough."""

import asyncio
import time

import pytest

from recovery.outside.http import Http
from recovery.worker.connectivity import ANCHOR_SECONDS, _reach_any
from tests.plugins.servers import free_port, raw_server, silent

UNROUTABLE = "192.0.2.1:443"


def reaches(*anchors: str) -> bool:
    return asyncio.run(_reach_any(Http(), anchors))


def test_one_anchor_that_answers_is_enough() -> None:
    with raw_server(silent) as port:
        assert reaches(f"127.0.0.1:{free_port()}", f"127.0.0.1:{port}")


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", "[::1]"])
def test_an_anchor_that_refuses_or_cannot_be_found_does_not_answer(host: str) -> None:
    assert not reaches(f"{host}:{free_port()}")


def test_an_anchor_that_never_answers_is_waited_for_a_few_seconds_only() -> None:
    began = time.monotonic()
    assert not reaches(UNROUTABLE, UNROUTABLE)
    assert time.monotonic() - began < ANCHOR_SECONDS + 2
