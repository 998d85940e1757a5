"""Why nothing came back: both clients that speak HTTP give the same kinds for the same ends."""

import socket
import ssl

import pytest
import trustme

from recovery.model import DoorError
from recovery.outside.http import Http
from recovery.outside.n8n import N8n
from tests.plugins.servers import raw_server, reset


def kinds(address: str, seconds: float = 0.5) -> tuple[str, str]:
    """As a component, and as an n8n."""
    with pytest.raises(DoorError) as asked:
        Http().request("GET", address, timeout_seconds=seconds)
    with pytest.raises(DoorError) as n8n:
        N8n("default", address, "key", seconds).workflow("a")
    return asked.value.kind, n8n.value.kind


def self_signed() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_each_end_has_one_kind_whoever_asked():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert kinds(f"http://127.0.0.1:{port}") == ("timeout", "timeout")
    assert kinds(f"http://127.0.0.1:{port}", 5) == ("refused", "refused")
    assert kinds("http://no-such-name.invalid", 5) == ("dns", "dns")
    with raw_server(reset) as port:
        assert kinds(f"http://127.0.0.1:{port}", 5) == ("reset", "reset")
    with raw_server(lambda stream: stream.close()) as port:
        assert kinds(f"http://127.0.0.1:{port}", 5) == ("reset", "reset")
    with raw_server(lambda stream: stream.recv(1), self_signed()) as port:
        assert kinds(f"https://127.0.0.1:{port}", 5) == ("tls", "tls")
