"""A stand-in for n8n: behaves as the real one for what we use of it, and runs small workflows for real.

In a test: `with StandInN8n() as n8n: ...`. As a process: `python -m tests.standins.n8n --port 5678`.
tests/n8n/test_standin_contract.py runs on it and on a real n8n.
"""

import argparse
import json
import signal
import threading
from pathlib import Path
from typing import Any, Self

from tests.standins.n8n_api import Api
from tests.standins.n8n_client import N8nClient
from tests.standins.n8n_engine import Engine
from tests.standins.n8n_server import Server
from tests.standins.service import Answer

API_KEY = "stand-in-api-key"


class StandInN8n(N8nClient):
    """One n8n in this process.

    Fields:
        can_retry: False makes it an n8n from before retries had a route.
        can_discover: False makes it one that cannot say what a key may do.
        is_older: it can list executions neither by time nor as crashed or new, as n8n 1.
        numbers: what its /metrics tell beside the version, without "n8n_"; None: they are switched off.
        slow_seconds: every answer of the API comes that much later, with its work done.
    """

    def __init__(self, port: int = 0, api_key: str = API_KEY):
        super().__init__()
        self.api_key = api_key
        self.port = port
        self.engine = Engine()
        self._api = Api(self.engine, api_key)
        self._server: Server | None = None
        self._killed = False
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- its life

    def start(self) -> None:
        """Listen, after a stop on the same port again; after a kill, what was under way is marked as crashed."""
        self._server = Server(self.port, self._api)
        self.port = self._server.server_address[1]
        self.url = self.engine.base_url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        if self._killed:
            self._killed = False
            self.engine.come_back()

    def stop(self) -> None:
        """Stop listening; what runs, runs on to its end."""
        server, self._server = self._server, None
        if server:
            server.cut()

    def kill9(self) -> None:
        """End at once, with everything that runs."""
        self.engine.kill()
        self._killed = True
        self.stop()

    def close(self) -> None:
        """End for good."""
        self.kill9()

    # -- ways to be difficult

    @property
    def can_retry(self) -> bool:
        return self._api.can_retry

    @can_retry.setter
    def can_retry(self, value: bool) -> None:
        self._api.can_retry = value

    @property
    def can_discover(self) -> bool:
        return self._api.can_discover

    @can_discover.setter
    def can_discover(self, value: bool) -> None:
        self._api.can_discover = value

    @property
    def is_older(self) -> bool:
        return self._api.is_older

    @is_older.setter
    def is_older(self, value: bool) -> None:
        self._api.is_older = value

    @property
    def slow_seconds(self) -> float:
        return self._api.slow_seconds

    @slow_seconds.setter
    def slow_seconds(self, value: float) -> None:
        self._api.slow_seconds = value

    @property
    def numbers(self) -> dict[str, float] | None:
        return self._api.numbers

    @numbers.setter
    def numbers(self, value: dict[str, float] | None) -> None:
        self._api.numbers = value

    def misbehave(self, answer: Answer, times: int = 1, path: str = "/api/v1/") -> None:
        """Answer the next calls of paths that hold `path` so, and do nothing for them."""
        self._api.misbehaviour += [(path, answer)] * times

    def behave(self) -> None:
        """Be no longer difficult."""
        self._api.misbehaviour.clear()
        self._api.can_retry, self._api.slow_seconds, self._api.numbers = True, 0.0, {}
        self._api.can_discover, self._api.is_older = True, False

    def forget_beginning(self, execution_id: str) -> None:
        """As `RealN8n.forget_beginning`."""
        self.engine.executions[execution_id].status = "new"

    def lose_triggers(self, workflow_id: str) -> None:
        """Forget a published workflow's webhooks; publishing it brings them back."""
        self.engine.unregistered.add(workflow_id)

    def kill_workers(self) -> None:
        """End what runs workflows, as in queue mode: nothing does until `start_worker`."""
        self.engine.lose_workers()

    def start_worker(self) -> None:
        """Bring a worker back."""
        self.engine.start_worker()

    def new_key(self, scopes: list[str], ends_at: int | None = None) -> str:
        """A new API key with these scopes; `ends_at` in seconds since 1970."""
        return self._api.new_key(scopes, ends_at)

    def all_scopes(self) -> list[str]:
        """Every scope that a key may have here."""
        return list(self._api.keys[self.api_key])

    def add_old_failures(self, workflow_id: str, count: int, age_seconds: float = 86_400.0) -> list[str]:
        """`count` executions that failed with a 503 that long ago; their ids."""
        return self.engine.add_old_failures(workflow_id, count, age_seconds)


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(description="A stand-in for n8n, for tests and for the demo.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--api-key", default=API_KEY)
    parser.add_argument("--callback", default="", help="where the error workflow 'errors' posts its item")
    parser.add_argument("--token", default="", help="the bearer token that it sends with it")
    parser.add_argument("--workflow", action="append", default=[], help="a workflow's JSON file; published at once")
    options = parser.parse_args()
    n8n = StandInN8n(options.port, options.api_key)
    handler = n8n.errors_to(options.callback, options.token) if options.callback else ""
    for name in options.workflow:
        n8n.activate(n8n.create_workflow(_with_handler(json.loads(Path(name).read_text()), handler)))
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    print(json.dumps({"url": n8n.url, "error_workflow": handler}), flush=True)
    over.wait()
    n8n.close()


def _with_handler(workflow: dict[str, Any], handler: str) -> dict[str, Any]:
    """Every workflow names the handler, where there is one and it names none."""
    settings = workflow.setdefault("settings", {})
    if handler:
        settings.setdefault("errorWorkflow", handler)
    return workflow


if __name__ == "__main__":
    main()
