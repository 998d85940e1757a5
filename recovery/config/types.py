"""The kinds of values that settings are made of, each with words for what it expects."""

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StrictBool,
    StrictInt,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from recovery.model import durations, hidden_in

PER_SECONDS = {"s": 1, "m": 60, "h": 3600}
RATE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)/([smh])")
AMOUNT = re.compile(r"([0-9]{1,6})/([mhd])")
LONGEST_SECONDS = 100 * 365 * 86_400.0


def expected(words: str, way_out: str = "") -> PydanticCustomError:
    """The error of a value that is not what it should be; `words` say what that is."""
    return PydanticCustomError("medic", "{expected}", {"expected": words, "way_out": way_out})


def parse_duration(value: Any) -> timedelta:
    """`30s`, `5m`, `1h30m`, `365d` as a length of time; a bare number is seconds."""
    if isinstance(value, timedelta):
        return value
    try:
        return timedelta(seconds=min(durations.parse_duration(value), LONGEST_SECONDS))
    except ValueError:
        raise expected("a duration: a number with its unit, such as 500ms, 30s, 5m, 1h30m or 365d") from None


def show_duration(value: timedelta) -> str:
    """A length of time as it is written in the configuration: `90s`, `5m`, `365d`."""
    return durations.write_duration(value.total_seconds())


def _more_than_nothing(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise expected("a duration of more than 0s")
    return value


def parse_rate(value: Any) -> float:
    """`5/s`, `300/m` or `1000/h` as a number per second."""
    found = RATE.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, float) and value > 0:
        return value
    if not found or float(found[1]) == 0:
        raise expected("a rate: a number of at least 0.001 per second, minute or hour, such as 5/s, 300/m or 1000/h")
    return float(found[1]) / PER_SECONDS[found[2]]


def parse_amount(value: Any) -> tuple[int, int]:
    """`6/h`, `20/m` or `100/d`: how many, and within how many seconds."""
    found = AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, tuple) and len(value) == 2:
        return value
    if not found or int(found[1]) == 0:
        raise expected("a number of at least 1 per minute, hour or day, such as 6/h")
    return int(found[1]), {"m": 60, "h": 3_600, "d": 86_400}[found[2]]


def check_url(value: str) -> str:
    """An http or https address with a host; one slash too many at its end is taken off."""
    wrong = expected("an http or https address, such as http://127.0.0.1:5678")
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise wrong from None
    if not good or re.search(r"[\s\x00-\x1f\x7f]", value):
        raise wrong
    return value.rstrip("/")


def split_bind(value: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8808` or `[::1]:8808`.

    Raises:
        ValueError: it is neither.
    """
    host, _, port = value.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(IPv6Address(host[1:-1]))
    elif not re.fullmatch(r"[A-Za-z0-9._-]+", host):
        raise ValueError(value)
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65_535:
        raise ValueError(value)
    return host, int(port)


def _check_bind(value: str) -> str:
    try:
        split_bind(value)
    except ValueError:
        raise expected("host:port, such as 127.0.0.1:8808, 0.0.0.0:8808 or [::1]:8808") from None
    return value


def _check_database_url(value: str) -> str:
    is_known = value.startswith(("postgresql://", "postgres://")) or (
        value.startswith("sqlite:///") and len(value) > len("sqlite:///")
    )
    if not is_known or "\x00" in value:
        raise expected(
            "sqlite:///<path> (four slashes before an absolute path) or postgresql://user:password@host/database"
        )
    return value


def _check_token(value: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        raise expected("letters, digits and signs without spaces, because it travels in an HTTP header")
    return value


def _check_text(value: str) -> str:
    if not value.strip() or re.search(r"[\x00-\x1f\x7f]", value):
        raise expected("text without line breaks or other control characters, and not empty")
    return value


def _check_name(value: str) -> str:
    if hidden := hidden_in(_check_text(value)):
        raise expected(f"text without signs that are not seen, such as this one's {hidden}")
    return value


def _check_host(value: str) -> str:
    if not re.fullmatch(r"(\[[0-9a-f:.]+\]|[^\s/:\[\]@]+)(:[0-9]{1,5})?", value.lower()):
        raise expected(
            "a host, such as orders.example.com, or host:port", "leave out http:// and everything after the host"
        )
    return value.lower()


def _check_dotted(value: str) -> str:
    if not re.fullmatch(r"[^.\x00-\x1f\x7f]+(\.[^.\x00-\x1f\x7f]+)*", value):
        raise expected("a path: keys and list positions with dots between them, such as host.name or checks.0.state")
    return value


@dataclass(frozen=True, slots=True)
class SecretMark:
    """Marks a field that is never printed and may be given as `<name>_file`."""


def _as_text(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": [example]})


_show = PlainSerializer(show_duration, return_type=str)

_schema = WithJsonSchema(TypeAdapter(durations.Duration).json_schema())

Duration = Annotated[timedelta, BeforeValidator(parse_duration), _schema, _show]
Period = Annotated[timedelta, BeforeValidator(parse_duration), AfterValidator(_more_than_nothing), _schema, _show]
Rate = Annotated[float, BeforeValidator(parse_rate), _as_text(RATE.pattern, "5/s")]
Amount = Annotated[tuple[int, int], BeforeValidator(parse_amount), _as_text(AMOUNT.pattern, "6/h")]
Count = Annotated[StrictInt, Field(ge=1, le=1000)]
Flag = StrictBool
Text = Annotated[str, Field(max_length=200), AfterValidator(_check_name)]
Dotted = Annotated[str, Field(max_length=200), AfterValidator(_check_dotted)]
Url = Annotated[str, AfterValidator(check_url)]
Bind = Annotated[str, AfterValidator(_check_bind)]
Host = Annotated[str, AfterValidator(_check_host)]
DatabaseUrl = Annotated[str, SecretMark(), AfterValidator(_check_database_url)]
Secret = Annotated[str, SecretMark(), AfterValidator(_check_text)]
Token = Annotated[str, SecretMark(), AfterValidator(_check_token)]
