"""Small real servers that misbehave on purpose, for the doors and the checks."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def free_port() -> int:
    """A port that nothing listens on, for now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def raw_server(talk: Callable[[socket.socket], None], context: ssl.SSLContext | None = None, port: int = 0):
    """A TCP server that gives each connection to `talk`; yields its port, which is `port` where one is given."""
    listener = socket.create_server(("127.0.0.1", port))
    ended = threading.Event()

    def one(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) if context else connection as stream:
                talk(stream)
        except OSError:
            pass

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def reset(stream: socket.socket) -> None:
    """Take the question, then end the connection with a reset."""
    stream.recv(65_536)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def answer(text: bytes, then: Callable[[socket.socket], None] | None = None) -> Callable[[socket.socket], None]:
    """Take the question, send these bytes, and then go on or close."""

    def talk(stream: socket.socket) -> None:
        stream.recv(65_536)
        stream.sendall(text)
        if then:
            then(stream)

    return talk


def drip(text: bytes, every: float) -> Callable[[socket.socket], None]:
    """Take the question, then send a byte at a time without end: `text` first, then `a`."""

    def talk(stream: socket.socket) -> None:
        stream.recv(65_536)
        waiter = threading.Event()
        for byte in text:
            stream.sendall(bytes([byte]))
        while not waiter.wait(every):
            stream.sendall(b"a")

    return talk


def silent(stream: socket.socket) -> None:
    """Take the question and never answer."""
    stream.settimeout(20)
    while stream.recv(65_536):
        pass


class Site:
    """A real HTTP server whose answers are set by path; it notes what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each body waits 40 ms for its headers to be acknowledged

            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                site.asked.append((self.command, self.path, headers, body))
                status, extra, text = site.answers.get(self.path.split("?")[0], (404, {}, b"nothing here"))
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                if self.command != "HEAD":
                    try:
                        self.wfile.write(text)
                    except OSError:
                        pass

            do_GET = do_HEAD = do_POST = do_PUT = _do

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
