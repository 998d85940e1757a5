"""Where senders bring their signals: who they are, is it well-formed, and 202 only once it is on the disk."""

import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, current_app, request

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
from recovery.store.ingest import NotStored, Receipt, SignalWriter
from webhook_server.problems import problem
from webhook_server.security import plain, same_secret

PREFIX = "/webhooks"
blueprint = Blueprint("webhooks", __name__)
SIGNATURE_SECONDS = 300
LONGEST_DELIVERY = 200
_writers: dict[int, SignalWriter] = {}
_one_at_a_time = threading.Lock()
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


class Turned(Exception):
    """A call that is not taken in; holds the answer that says why."""

    def __init__(self, status: int, title: str, detail: str):
        super().__init__(detail)
        self.answer = (status, title, detail)


@blueprint.post("/n8n-error")
@blueprint.post("/n8n-error/<site>")
def take_n8n_error(site: str = "") -> Response:
    """One item of n8n's Error Trigger."""
    name = _site(site)
    if name is None:
        known = ", ".join(n8n.name for n8n in current_app.config["MEDIC"].n8n)
        return problem(404, "Unknown n8n", f"no n8n named {site!r} is configured; there are: {known or 'none'}")
    return take_in(lambda payload, delivery: [n8n_error.receive(payload, name, delivery)], f"n8n-error:{name}")


@blueprint.post(f"/<any({', '.join(map(json.dumps, MONITORS))}):monitor>")
def take_monitor(monitor: str) -> Response:
    """What a monitor sends: one reading, or several."""
    return take_in(MONITORS[monitor], "probe" if monitor == "generic" else monitor)


@blueprint.post("/generic/<name>")
def take_generic(name: str) -> Response:
    """What a monitor sends that the configuration has a mapping for."""

    def receive(payload: Any, delivery: str | None) -> list[Signal]:
        return generic.receive(_source(name), payload, delivery)

    return take_in(receive, f"generic:{name}")


@blueprint.route("/heartbeat/<name>", methods=["GET", "POST"])
@blueprint.route("/heartbeat/<name>/<any(start, fail, log):what>", methods=["GET", "POST"])
def take_heartbeat(name: str, what: str = "success") -> Response:
    """A job that tells of itself; whatever the body holds is its log."""

    def receive(log: str, delivery: str | None) -> list[Signal]:
        return [heartbeat.receive(name, what, log, delivery)]

    return take_in(receive, f"heartbeat:{name}/{what}", _read_log)


def take_in(receive: Receive, scope: str, read: Callable[[bytes], Any] | None = None) -> Response:
    """Check the sender, read the body, store what it says, and only then answer.

    Args:
        receive: the source that makes signals of a payload. scope: within which a delivery's id counts once.
        read: makes the payload of the body; by default it is JSON.
    """
    now = utc_now()
    try:
        body = request.get_data(cache=False)
        signed = _check_sender(body, now)
        payload = (read or _parse)(body)
        signals = _once(receive(payload, _delivery(scope, signed)), f"{scope}:{signed}" if signed else "")
        receipts = writer().add(signals, now)
    except Turned as turned:
        return problem(*turned.answer)
    except BadPayload as bad:
        return problem(400, "Not a valid payload", str(bad))
    except NotStored as lost:
        answer = problem(503, "Not stored", f"nothing was stored; send it again: {lost}")
        answer.headers["Retry-After"] = "5"
        return answer
    return Response(_receipts(receipts), status=202, content_type="application/json")


def _receipts(receipts: list[Receipt]) -> str:
    return json.dumps({"signals": [_receipt(one) for one in receipts]}) + "\n"


def _receipt(receipt: Receipt) -> dict[str, Any]:
    told = {"id": receipt.id, "duplicate": receipt.duplicate}
    return told if receipt.incident_id is None else {**told, "incident": receipt.incident_id}


def writer() -> SignalWriter:
    """This process's one writer of signals, made after the fork."""
    found = _writers.get(os.getpid())
    if found is None:
        with _one_at_a_time:
            found = _writers.setdefault(os.getpid(), _writers.get(os.getpid()) or SignalWriter())
    return found


def _site(name: str) -> str | None:
    """The n8n that a path means: the first configured one without a name; None for one that is not configured."""
    known = [n8n.name for n8n in current_app.config["MEDIC"].n8n]
    if not name:
        return "default" if "default" in known or not known else known[0]
    return name if name in known else None


def _source(name: str) -> SourcePlan:
    """The mapping that a path means; only who has the token hears which there are."""
    config = current_app.config["MEDIC"]
    plan: SourcePlan | None = config.source_plan(name)
    if plan is None:
        known = ", ".join(source.name for source in config.sources) or "none"
        raise Turned(404, "Unknown source", f"no source named {name!r} is configured; there are: {known}")
    return plan


def _check_sender(body: bytes, now: datetime) -> str:
    """The sender's signature where it signed, else "" where its token is right.

    Raises:
        Turned: neither is right.
    """
    expected = plain(current_app.config["MEDIC"].webhook_token)
    given = request.headers.get("X-Medic-Token") or _bearer()
    signature = request.headers.get("X-Medic-Signature")
    if given and same_secret(given, expected):
        return ""
    if signature:
        return _check_signature(signature, body, expected, now)
    why = "the token is wrong" if given else "there is no token and no signature"
    raise Turned(401, "Unauthorized", f"{why}: send Authorization: Bearer <token>, or X-Medic-Token: <token>")


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _check_signature(signature: str, body: bytes, key: str, now: datetime) -> str:
    parts = [part.partition("=") for part in signature.split(",")[:10]]
    stamp = next((value for name, _, value in parts if name.strip() == "t"), "")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise Turned(401, "Unauthorized", "X-Medic-Signature must read t=<unix seconds>,v1=<hex HMAC-SHA256>")
    if abs(now.timestamp() - int(stamp)) > SIGNATURE_SECONDS:
        raise Turned(401, "Unauthorized", f"the signature's time is more than {SIGNATURE_SECONDS // 60} minutes off")
    right = hmac.new(key.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    given = [value for name, _, value in parts if name.strip() == "v1"]
    if not key or not any(same_secret(value, right) for value in given):
        raise Turned(401, "Unauthorized", "the signature does not match the body and the webhook token")
    return f"{stamp}:{right}"


def _parse(body: bytes) -> Any:
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise Turned(415, "Unsupported media type", "send JSON, with Content-Type: application/json")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Turned(415, "Unsupported media type", "send the body without a Content-Encoding")
    try:
        return json.loads(body, strict=False)  # what monitors paste into templates may hold line breaks
    except RecursionError:
        raise Turned(400, "Not valid JSON", "the body is nested too deeply") from None
    except UnicodeDecodeError:
        raise Turned(400, "Not valid JSON", "the body is not UTF-8 text") from None
    except ValueError as error:
        raise Turned(400, "Not valid JSON", f"the body cannot be read as JSON: {error}") from None


def _read_log(body: bytes) -> str:
    return body[: heartbeat.MOST_LOG * 4].decode("utf-8", "replace")


def _delivery(scope: str, signed: str) -> str | None:
    """The second key of a delivery: the sender's own id, else its signature."""
    given = request.headers.get("X-Medic-Delivery", "").strip()
    if len(given) > LONGEST_DELIVERY:
        raise Turned(400, "Not a valid delivery", f"X-Medic-Delivery must be at most {LONGEST_DELIVERY} characters")
    if given:
        return f"{scope}:{given}"
    return f"{scope}:{signed}" if signed else None


def _once(signals: list[Signal], signed: str) -> list[Signal]:
    """A signed call counts once, under whatever delivery id it is sent again: that is not signed."""
    if not signed:
        return signals
    return [replace(one, key=one.key or f"signed:{signed}#{place}") for place, one in enumerate(signals)]
