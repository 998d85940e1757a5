"""Where senders bring their signals: who they are, is it well-formed, and 202 only once it is on the disk."""

import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from recovery.clock import utc_now
from recovery.model import Signal, SourcePlan
from recovery.sources import (
    alertmanager,
    gatus,
    generic,
    grafana,
    healthchecks,
    heartbeat,
    n8n_error,
    probe,
    uptime_kuma,
)
from recovery.sources.shapes import BadPayload
from recovery.store.database import open_database
from recovery.store.ingest import NotStored, Receipt, SignalWriter
from recovery.store.views import drop_connection, is_unreachable, reachable
from webhook_server.problems import Problem, broken, problem_of, unreachable
from webhook_server.senders import Call, check_sender, delivery_of

WORDS_OF_A_JOB = ("", "start", "fail", "log")
log = logging.getLogger(__name__)
_writers: dict[int, SignalWriter] = {}
_one_at_a_time = threading.Lock()
Answer = Callable[[dict[str, Any], Any], Any]
Receive = Callable[[Any, str | None], list[Signal]]
MONITORS: dict[str, Receive] = {
    "probe": probe.receive,
    "generic": probe.receive,
    "alertmanager": alertmanager.receive,
    "grafana": grafana.receive,
    "uptime-kuma": uptime_kuma.receive,
    "gatus": gatus.receive,
    "healthchecks": healthchecks.receive,
}


class SignalsApp:
    """Takes signals in. Plain WSGI: Flask's contexts and routing would cost a third of a signal's time."""

    def __init__(self, config: Any):
        self._config = config

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer one call (see PEP 3333)."""
        call = Call(environ, self._config)
        try:
            answer: Answer = _take(call)
        except Problem as told:
            answer = told.response()
        except HTTPException as error:
            answer = problem_of(error)
        except Exception as crash:  # noqa: BLE001 whatever it is, its sender is told to keep the signal
            answer = _tell_crash(call, crash)
        return answer(environ, start_response)


def _tell_crash(call: Call, crash: Exception) -> Response:
    if is_unreachable(crash):
        log.error("the database does not answer: %s", crash)
        drop_connection()
        return unreachable()
    log.error("a request failed: %s %s", call.method, call.path, exc_info=crash)
    return broken()


def _take(call: Call) -> Answer:
    """Find who takes it: `/n8n-error[/site]`, `/generic[/source]`, `/heartbeat/name[/what]`, or a monitor's name."""
    first, *rest = call.path[1:].split("/")
    taker = TAKERS.get((first, len(rest))) or (_take_monitor if first in MONITORS and not rest else None)
    if taker is None or not all(rest):
        raise Problem(404, "Not Found", "there is no such webhook: the documentation lists them all")
    methods = ("GET", "HEAD", "POST") if first == "heartbeat" else ("POST",)
    if call.method not in methods:
        raise Problem(
            405, "Method Not Allowed", f"this webhook takes {', '.join(methods)}", {"Allow": ", ".join(methods)}
        )
    return taker(call, first, *rest)


def _take_n8n_error(call: Call, _first: str, site: str = "") -> Answer:
    """One item of n8n's Error Trigger."""
    name = _site(call, site)
    if name is None:
        known = ", ".join(n8n.name for n8n in call.config.n8n)
        raise Problem(404, "Unknown n8n", f"no n8n named {site!r} is configured; there are: {known or 'none'}")
    return take_in(call, lambda payload, delivery: [n8n_error.receive(payload, name, delivery)], f"n8n-error:{name}")


def _take_monitor(call: Call, monitor: str) -> Answer:
    """What a monitor sends: one reading, or several."""
    return take_in(call, MONITORS[monitor], "probe" if monitor == "generic" else monitor)


def _take_generic(call: Call, _first: str, name: str) -> Answer:
    """What a monitor sends that the configuration has a mapping for."""

    def receive(payload: Any, delivery: str | None) -> list[Signal]:
        return generic.receive(_source(call, name), payload, delivery)

    return take_in(call, receive, f"generic:{name}")


def _take_heartbeat(call: Call, _first: str, name: str, word: str = "") -> Answer:
    """A job that tells of itself; whatever the body holds is its log."""
    if word not in WORDS_OF_A_JOB:
        raise Problem(404, "Not Found", f"a heartbeat ends in nothing, /start, /fail or /log, and not in /{word[:40]}")
    what = word or "success"

    def receive(log: str, delivery: str | None) -> list[Signal]:
        return [heartbeat.receive(name, what, log, delivery)]

    return take_in(call, receive, f"heartbeat:{name}/{what}", _read_log)


TAKERS: dict[tuple[str, int], Callable[..., Answer]] = {
    ("n8n-error", 0): _take_n8n_error,
    ("n8n-error", 1): _take_n8n_error,
    ("generic", 1): _take_generic,
    ("heartbeat", 1): _take_heartbeat,
    ("heartbeat", 2): _take_heartbeat,
}


def take_in(call: Call, receive: Receive, scope: str, read: Callable[[Call, bytes], Any] | None = None) -> Answer:
    """Check the sender, read the body, store what it says, and only then answer.

    Args:
        receive: the source that makes signals of a payload. scope: within which a delivery's id counts once.
        read: makes the payload of the body; by default it is JSON.

    Raises:
        Problem: it is not taken in; nothing of it is stored.
    """
    now = utc_now()
    try:
        body = call.read_body()
        signed = check_sender(call, body, now)
        payload = (read or _parse)(call, body)
        signals = _once(receive(payload, delivery_of(call, scope, signed)), f"{scope}:{signed}" if signed else "")
        receipts = writer(call.config.database_url).add(signals, now)
    except BadPayload as bad:
        raise Problem(400, "Not a valid payload", str(bad)) from None
    except NotStored as lost:
        why = f"nothing was stored; send it again: {lost}"
        raise Problem(503, "Not stored", why, {"Retry-After": "5"}) from lost
    return Accepted(receipts)


class Accepted:
    """202, with what became of each signal. Bare, for a Response costs as much as finding the secrets."""

    def __init__(self, receipts: list[Receipt]):
        self._receipts = receipts

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Tell it (see PEP 3333)."""
        body = orjson.dumps({"signals": [_receipt(one) for one in self._receipts]}) + b"\n"
        start_response("202 ACCEPTED", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _receipt(receipt: Receipt) -> dict[str, Any]:
    told = {"id": receipt.id, "duplicate": receipt.duplicate}
    return told if receipt.incident_id is None else {**told, "incident": receipt.incident_id}


def writer(url: str) -> SignalWriter:
    """This process's one writer of signals, made after the fork, with the database open."""
    found = _writers.get(os.getpid())
    if found is None:
        with _one_at_a_time:
            found = _writers.get(os.getpid()) or _make_writer(url)
    return found


def _make_writer(url: str) -> SignalWriter:
    with reachable():
        open_database(url, migrate=True)
    _writers[os.getpid()] = SignalWriter()
    return _writers[os.getpid()]


def _site(call: Call, name: str) -> str | None:
    """The n8n that a path means: the first configured one without a name; None for one that is not configured."""
    known = [n8n.name for n8n in call.config.n8n]
    if not name:
        return "default" if "default" in known or not known else known[0]
    return name if name in known else None


def _source(call: Call, name: str) -> SourcePlan:
    """The mapping that a path means; only who has the token hears which there are."""
    config = call.config
    plan: SourcePlan | None = config.source_plan(name)
    if plan is None:
        known = ", ".join(source.name for source in config.sources) or "none"
        raise Problem(404, "Unknown source", f"no source named {name!r} is configured; there are: {known}")
    return plan


def _parse(call: Call, body: bytes) -> Any:
    if call.mimetype != "application/json" and not call.mimetype.endswith("+json"):
        raise Problem(415, "Unsupported media type", "send JSON, with Content-Type: application/json")
    if call.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(415, "Unsupported media type", "send the body without a Content-Encoding")
    try:
        return json.loads(body, strict=False)  # what monitors paste into templates may hold line breaks
    except RecursionError:
        raise Problem(400, "Not valid JSON", "the body is nested too deeply") from None
    except UnicodeDecodeError:
        raise Problem(400, "Not valid JSON", "the body is not UTF-8 text") from None
    except ValueError as error:
        raise Problem(400, "Not valid JSON", f"the body cannot be read as JSON: {error}") from None


def _read_log(_call: Call, body: bytes) -> str:
    return body[: heartbeat.MOST_LOG * 4].decode("utf-8", "replace")


def _once(signals: list[Signal], signed: str) -> list[Signal]:
    """A signed call counts once, under whatever delivery id it is sent again: that is not signed."""
    if not signed:
        return signals
    return [replace(one, key=one.key or f"signed:{signed}#{place}") for place, one in enumerate(signals)]
