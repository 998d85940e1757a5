"""Who brings a signal: a token or a signature proves it, and a delivery's id lets it count once."""

import hashlib
import hmac
from datetime import datetime
from typing import Any

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wrappers import Request

from webhook_server.problems import Problem
from webhook_server.scopes import opens, refuse_elsewhere
from webhook_server.secrets import plain, same_secret
from webhook_server.security import LARGEST_BODY

PREFIX = "/webhooks"
SIGNATURE_SECONDS = 300
LONGEST_DELIVERY = 200


class Call(Request):
    """What a sender asks of us, with the configuration that it is judged by."""

    max_content_length = LARGEST_BODY

    def __init__(self, environ: dict[str, Any], config: Any):
        super().__init__(environ, populate_request=False)  # which would be a cycle, for each call
        self.config = config

    def read_body(self) -> bytes:
        """All of the body, once.

        Raises:
            RequestEntityTooLarge: over 1 MiB. Of a chunked one the length is not known before, and what was read of it
                would end there without a word.
            Problem: 408, its end did not come.
        """
        try:
            body = self.get_data(cache=False)
        except ClientDisconnected:
            why = "the end of the body did not come: nothing was stored; send it again"
            raise Problem(408, "Request timeout", why) from None
        if self.content_length is None and len(body) >= LARGEST_BODY and self.environ["wsgi.input"].read(1):
            raise RequestEntityTooLarge()
        return body


def check_sender(call: Call, body: bytes, now: datetime) -> str:
    """The sender's signature where that lets it in, "" where its token does: either is enough.

    Raises:
        Problem: 401, neither is right; 403, the token is good for other addresses.
    """
    expected = plain(call.config.webhook_token)
    given = call.headers.get("X-Medic-Token") or _bearer(call)
    signature, path = call.headers.get("X-Medic-Signature"), f"{PREFIX}{call.path}"
    if given and (same_secret(given, expected) or opens(call.config, given, call.method, path)):
        return ""
    if signature:
        return _check_signature(signature, body, expected, now)
    refuse_elsewhere(call.config, given, call.method, path)
    why = "the token is wrong" if given else "there is no token and no signature"
    raise Problem(401, "Unauthorized", f"{why}: send Authorization: Bearer <token>, or X-Medic-Token: <token>")


def _bearer(call: Call) -> str:
    scheme, _, token = call.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _check_signature(signature: str, body: bytes, key: str, now: datetime) -> str:
    parts = [part.partition("=") for part in signature.split(",")[:10]]
    stamp = next((value for name, _, value in parts if name.strip() == "t"), "")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise Problem(401, "Unauthorized", "X-Medic-Signature must read t=<unix seconds>,v1=<hex HMAC-SHA256>")
    if abs(now.timestamp() - int(stamp)) > SIGNATURE_SECONDS:
        raise Problem(401, "Unauthorized", f"the signature's time is more than {SIGNATURE_SECONDS // 60} minutes off")
    right = hmac.new(key.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    given = [value.lower() for name, _, value in parts if name.strip() == "v1"]
    if not key or not any(same_secret(value, right) for value in given):
        raise Problem(401, "Unauthorized", "the signature does not match the body and the webhook token")
    return f"{stamp}:{right}"


def delivery_of(call: Call, scope: str, signed: str) -> str | None:
    """The second key of a delivery: the sender's own id, else its signature."""
    given = call.headers.get("X-Medic-Delivery", "").strip()
    if len(given) > LONGEST_DELIVERY:
        raise Problem(400, "Not a valid delivery", f"X-Medic-Delivery must be at most {LONGEST_DELIVERY} characters")
    if given:
        return f"{scope}:{given}"
    return f"{scope}:{signed}" if signed else None
