"""Gathers what a real n8n sends for each kind of failure: `python -m tests.n8n.gather_fixtures [folder]`.

Writes `<kind>.trigger.json` (the Error Trigger's item, where there is one) and `<kind>.execution.json` (the API's
answer with data), cleaned of addresses, paths and secrets.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recovery.outside.n8n import N8n
from tests.n8n import workflows as w
from tests.n8n.clean import cleaned
from tests.n8n.real import RealN8n
from tests.n8n.world import ID_OF_BODY, ID_OF_ITEM, World, nope
from tests.standins.n8n_client import wait_for
from tests.standins.service import RESET, hang

STATUSES = (400, 401, 403, 404, 422, 429, 500, 502, 504)
FIVE = {"orders": [{"id": str(number)} for number in range(1, 6)]}
Runs = dict[str, Callable[[], dict[str, Any]]]


def simple(world: World) -> Runs:
    """One node that fails."""
    url = world.url
    for status in (*STATUSES, 503):
        world.service.behave(f"/s{status}", nope(status))
    world.service.behave("/slow", hang(5))
    world.service.behave("/reset", RESET)
    post = lambda to, **more: lambda: world.run(w.http("Send", to, "POST", ID_OF_BODY, **more))  # noqa: E731
    return {
        **{f"http-{status}": post(url(f"/s{status}")) for status in STATUSES},
        "http-503-get": lambda: world.run(w.http("Fetch", url("/s503?api_key=SECRET123"))),
        "http-503-post": post(url("/s503")),
        "timeout-post": post(url("/slow"), timeout_ms=700),
        "refused": post(world.dead_url()),
        "dns": post("http://orders.invalid/x"),
        "reset": post(url("/reset")),
        "tls": post(url("/x").replace("http:", "https:")),
        "stop-and-error": lambda: world.run(w.no_op(), w.stop_and_error("Order has no customer")),
        "code-throws": lambda: world.run(w.code("throw new Error('cannot read order')")),
        "code-type-error": lambda: world.run(w.code("return [{json: {a: $json.nothing.deeper}}]")),
        "bad-expression": lambda: world.run(w.http("Send", "={{ $('Nobody').first().json.url }}")),
    }


def items(world: World) -> Runs:
    """Five items, of which one fails."""
    world.service.behave("/item", 500, id="3")
    world.service.behave("/item0", 503, id="1")
    each = lambda path: w.http("Send each", world.url(path), "POST", ID_OF_ITEM)  # noqa: E731
    return {
        "item-three-of-five": lambda: world.run(w.split_out("body.orders"), each("/item"), body=FIVE),
        "item-one-of-five": lambda: world.run(w.split_out("body.orders"), each("/item0"), body=FIVE),
    }


def credentials(world: World) -> Runs:
    """A credential that is refused, one that is gone, and a database that refuses the connection."""
    make = world.n8n.create_credential

    def use(name: str, kind: str = "httpHeaderAuth") -> dict[str, Any]:
        return {kind: {"id": make(name, kind, {"name": "X-Key", "value": "SECRETKEY"}), "name": name}}

    def gone() -> dict[str, Any]:
        used = use("Old key")
        workflow_id, path = world.publish(w.http("Fetch", world.url("/s200"), credentials=used))
        world.n8n.api("DELETE", f"credentials/{used['httpHeaderAuth']['id']}")
        world.n8n.call(path, {"id": "a1"})
        return world.n8n.execution(world.n8n.ended(workflow_id)[0]["id"])

    refused = lambda: world.run(w.http("Fetch", world.url("/s401"), credentials=use("Orders key")))  # noqa: E731
    return {"credential-401": refused, "credential-deleted": gone, "postgres-refused": lambda: database(world)}


def database(world: World) -> dict[str, Any]:
    """A query of a PostgreSQL that nobody serves."""
    port = int(world.dead_url().rsplit(":", 1)[1].strip("/"))
    data = {"host": "127.0.0.1", "port": port, "database": "x", "user": "u", "password": "p", "maxConnections": 2}
    data |= {"allowUnauthorizedCerts": False, "ssl": "disable", "sshTunnel": False}
    used = {"postgres": {"id": world.n8n.create_credential("Orders db", "postgres", data), "name": "Orders db"}}
    query = {"operation": "executeQuery", "query": "select 1", "options": {}}
    return world.run(w.node("Query", "postgres", 2.6, query, credentials=used))


def nested(world: World) -> Runs:
    """A parent and its sub-workflow."""
    sub = world.publish_sub(w.http("Sub fetch", world.url("/s503")))
    slow = world.publish_sub(w.http("Sub send", world.url("/slow"), "POST", '{"id": "z"}', timeout_ms=500))
    return {
        "parent": lambda: world.run(w.no_op("Before"), w.call_workflow(sub)),
        "sub": lambda: world.n8n.execution(world.n8n.ended(sub)[0]["id"]),
        "parent-timeout": lambda: world.run(w.call_workflow(slow)),
    }


def again(world: World) -> Runs:
    """A retry that fails, and runs that n8n's death ends."""

    def retried() -> dict[str, Any]:
        failed = world.run(w.http("Fetch", world.url("/s503?api_key=SECRET123")))
        return world.n8n.execution(world.retry(failed["id"])["id"])

    def killed() -> dict[str, Any]:
        world.service.behave("/hangs", hang(30))
        first = w.http("First", world.url("/first"), "POST", ID_OF_BODY)
        workflow_id, path = world.publish(w.no_op("Before"), first, w.http("Hangs", world.url("/hangs")))
        world.n8n.call(path, {"id": "c1"})
        return crash(world, workflow_id, 1)

    def killed_retry() -> dict[str, Any]:
        world.service.behave("/hangs", nope(503))
        failed = world.run(
            w.http("First", world.url("/first"), "POST", ID_OF_BODY), w.http("Hangs", world.url("/hangs"))
        )
        world.service.forget()
        world.service.behave("/hangs", hang(30))
        N8n("main", world.n8n.url, world.n8n.api_key, timeout_seconds=0.5).retry(failed["id"])
        return crash(world, failed["workflowId"], 2)

    return {"http-503-get-retry": retried, "crashed": killed, "crashed-retry": killed_retry}


def crash(world: World, workflow_id: str, count: int) -> dict[str, Any]:
    """Kill n8n while a call hangs, start it, and give the run that it lost."""
    wait_for("the call that hangs", lambda: world.service.calls("/hangs"))
    time.sleep(1)
    world.n8n.kill9()
    world.n8n.start()
    return world.n8n.execution(world.n8n.ended(workflow_id, count)[0]["id"])


def gather(folder: Path) -> None:
    """Run every kind and write what came."""
    folder.mkdir(parents=True, exist_ok=True)
    with RealN8n() as n8n, World(n8n) as world:
        for group in (simple, items, credentials, nested, again):
            for kind, run in group(world).items():
                execution = run()
                ports = (n8n.port, world.service.port)
                write(folder / f"{kind}.execution.json", cleaned(execution, *ports))
                item = item_or_none(world, execution["id"])
                if item:
                    write(folder / f"{kind}.trigger.json", cleaned(item, *ports))
                print(kind, execution["status"], "told" if item else "told nobody", flush=True)


def item_or_none(world: World, execution_id: str) -> dict[str, Any] | None:
    """The item about an execution, where the error workflow was told within 5 s."""
    try:
        return world.item_of(execution_id, 5)
    except AssertionError:
        return None


def write(path: Path, value: Any) -> None:
    """One JSON file that reads well."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    gather(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "fixtures")
