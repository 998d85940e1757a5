"""The power of a server, by Redfish: what its management controller is asked and told over HTTPS."""

import base64
import json
import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from recovery.model import Done, DoorError, Doors, Failed, HttpAnswer, NotNeeded, Result
from recovery.model.secrets import SecretFields

ResetType = Literal["ForceRestart", "GracefulRestart", "PowerCycle"]

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_SYSTEM = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}")
_WORD = re.compile(r"[A-Za-z0-9._]{1,80}")
NOT_SENT = ("refused", "dns", "tls", "client")
NO_HELP = (400, 401, 403, 404, 405, 501)
UNKNOWN = (500, 502, 504)


class Redfish(SecretFields):
    """Which server, and how its management controller is asked."""

    url: str = Field(description="the controller's address", examples=["https://bmc1.example.com"], max_length=300)
    system: str = Field(
        description="the server's name below `/redfish/v1/Systems/`", examples=["System.Embedded.1"], max_length=128
    )
    user: str = Field(description="who asks", examples=["medic"], min_length=1, max_length=128)
    password: SecretStr = Field(
        description="the user's password; better `password_file`, the path of a file that holds it"
    )
    reset: ResetType = Field("ForceRestart", description="how a server that is on is restarted")
    ca_file: str = Field(
        "", description="certificates to trust instead of the usual ones", examples=["/etc/ssl/bmc.pem"]
    )
    fingerprint: str = Field(
        "",
        description="SHA-256 of the one certificate to trust, in hex digits, whatever it says of its host and its end",
    )

    @field_validator("url")
    @classmethod
    def _is_a_controller(cls, value: str) -> str:
        parts = urlsplit(value)
        bare = not (parts.query or parts.fragment or "@" in parts.netloc or parts.path.strip("/"))
        if parts.scheme != "https" or not parts.hostname or not bare or not value.isprintable() or " " in value:
            raise ValueError("write https:// and the host, without user, path or question")
        if parts.port == 0:
            raise ValueError("0 is not a port")
        return f"https://{parts.netloc}"

    @field_validator("system")
    @classmethod
    def _is_one_segment(cls, value: str) -> str:
        if not _SYSTEM.fullmatch(value):
            raise ValueError("write only the server's name, of letters, digits and . _ ~ -")
        return value

    @field_validator("user")
    @classmethod
    def _fits_basic(cls, value: str) -> str:
        if ":" in value or not value.isprintable():
            raise ValueError("must hold no colon and no control characters")
        return value

    @field_validator("fingerprint")
    @classmethod
    def _is_sha256(cls, value: str) -> str:
        plain = value.replace(":", "").lower()
        if value and not _FINGERPRINT.fullmatch(plain):
            raise ValueError("write 64 hex digits, as `openssl x509 -noout -fingerprint -sha256` tells them")
        return plain

    def check_together(self) -> None:
        """Raise ValueError where two ways to trust are given."""
        if self.ca_file and self.fingerprint:
            raise ValueError("`ca_file` and `fingerprint` exclude each other: keep one of the two")

    @property
    def path(self) -> str:
        """Where the server is told."""
        return f"/redfish/v1/Systems/{self.system}"

    @property
    def reset_url(self) -> str:
        """Where it is reset: by the specification, whatever address an answer names."""
        return f"{self.url}{self.path}/Actions/ComputerSystem.Reset"


def wanted_reset(settings: Redfish, power_on: bool, doors: Doors, seconds: float) -> str | NotNeeded | Failed:
    """The ResetType that the server's present PowerState asks for. Raises DoorError."""
    answer = _ask(settings, doors, "GET", settings.url + settings.path, None, seconds)
    if answer.status != 200:
        return Failed(f"{_refused(settings, answer)} when it was asked for the power", answer.status in NO_HELP)
    told = _mapping(answer.text)
    state = told.get("PowerState")
    if state == "PoweringOn":
        return NotNeeded("the server is being powered on already")
    if state == "PoweringOff":
        return Failed("the server is being powered off at this moment")
    if state == "Off" and not power_on:
        return Failed("the server is off, and `power_on` is false", permanent=True)
    if state not in ("On", "Off", "Paused"):
        return Failed("the controller does not say whether the server is on", permanent=True)
    reset = "On" if state == "Off" else settings.reset
    allowed = _allowed(told)
    if allowed and reset not in allowed:
        return Failed(f"the controller takes no {reset}, but {', '.join(allowed)}", permanent=True)
    return reset


def send_reset(settings: Redfish, reset: str, doors: Doors, seconds: float) -> Result:
    """Tell the controller to reset the server, once."""
    try:
        answer = _ask(settings, doors, "POST", settings.reset_url, {"ResetType": reset}, seconds)
    except DoorError as problem:
        if problem.kind in NOT_SENT:
            return Failed(str(problem), problem.permanent)
        return unknown(f"{reset} was sent, and {problem}")
    if answer.status in UNKNOWN:
        return unknown(f"{reset} was sent, and {_refused(settings, answer)}")
    if not 200 <= answer.status < 300:
        return Failed(f"{_refused(settings, answer)} to {reset}", answer.status in NO_HELP)
    return Done(f"the controller took {reset} ({answer.status})")


def unknown(what: str) -> Failed:
    """A failure that must not lead to a second try by itself."""
    return Failed(f"{what}: nobody knows whether the server restarts", permanent=True)


def _ask(settings: Redfish, doors: Doors, method: str, url: str, body: Any, seconds: float) -> HttpAnswer:
    login = f"{settings.user}:{settings.password.get_secret_value()}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(login).decode()}", "Accept": "application/json"}
    http = doors.https(settings.ca_file, settings.fingerprint)
    return http.request(method, url, json=body, headers=headers, timeout_seconds=seconds, follow=False)


def _refused(settings: Redfish, answer: HttpAnswer) -> str:
    """The status, and the name of the reason: nothing else of what somebody out there wrote."""
    problem = _mapping(answer.text).get("error")
    told = problem.get("@Message.ExtendedInfo") if isinstance(problem, dict) else None
    first = told[0] if isinstance(told, list) and told and isinstance(told[0], dict) else {}
    name = first.get("MessageId")
    known = f" ({name})" if isinstance(name, str) and _WORD.fullmatch(name) else ""
    return f"{urlsplit(settings.url).netloc} answered {answer.status}{known}"


def _allowed(told: dict[str, Any]) -> list[str]:
    """What the controller says that it takes; [] where it does not say."""
    found: Any = told.get("Actions")
    for key in ("#ComputerSystem.Reset", "ResetType@Redfish.AllowableValues"):
        found = found.get(key) if isinstance(found, dict) else None
    names = found if isinstance(found, list) else []
    return [name for name in names if isinstance(name, str) and _WORD.fullmatch(name)][:20]


def _mapping(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
