"""What callers of the API may ask: query parameters and bodies, read strictly, every problem told at once."""

import base64
import difflib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from flask import request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError
from werkzeug.exceptions import BadRequest

from recovery.model import AlertState, ExecutionState, FailureType, Health, IncidentState, OrderWhat, Severity
from recovery.store.events import Subject
from recovery.store.views import LARGEST_ID
from webhook_server.problems import Problem

LARGEST_NUMBER = 2**31 - 1
LONGEST_SNOOZE, LONGEST_SILENCE = timedelta(days=30), timedelta(days=365)
Asked = TypeVar("Asked", bound=BaseModel)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """ " (did you mean ...?)" where something similar exists, else a list of what does."""
    names = list(known)
    close = difflib.get_close_matches(given, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(names)}"


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text must not hold the character NUL")
    return text


def known(words: type[StrEnum]) -> BeforeValidator:
    def check(value: Any) -> Any:
        if isinstance(value, str) and value in list(words):
            return value
        hint = did_you_mean(str(value)[:100], [str(word.value) for word in words])
        raise PydanticCustomError(
            "unknown_word", "there is no {given}; {hint}", {"given": repr(value)[:100], "hint": hint}
        )

    return BeforeValidator(check)


def read_moment(value: Any) -> datetime:
    """An ISO 8601 time; without a zone it is UTC, and a plus that a URL turned into a space is one again.

    Raises:
        ValueError: it is no time.
    """
    if isinstance(value, datetime):
        return value
    text = re.sub(r" (\d\d:?\d\d)$", r"+\1", str(value).strip())
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("a time must read like 2026-01-31T12:00:00Z") from None
    return moment


def write_cursor(below_id: int | None) -> str | None:
    """The opaque cursor of the page that begins below this id."""
    return None if below_id is None else base64.urlsafe_b64encode(f"below:{below_id}".encode()).decode()


def read_cursor(value: Any) -> int:
    """The id that `write_cursor` wrote down.

    Raises:
        ValueError: it is not one of our cursors.
    """
    try:
        found = re.fullmatch(rb"below:([0-9]{1,19})", base64.b64decode(str(value).encode(), b"-_", validate=True))
    except ValueError:
        found = None
    if not found or int(found[1]) > LARGEST_ID:
        raise ValueError("give back `nextCursor` of the page before, unchanged")
    return int(found[1])


Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_no_nul)]
Text = Annotated[str, StringConstraints(max_length=500), AfterValidator(_no_nul)]
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Moment = Annotated[datetime, BeforeValidator(read_moment)]


class Query(BaseModel):
    """Query parameters: unknown ones are errors."""

    model_config = ConfigDict(extra="forbid")


class Paging(Query):
    """What every list takes."""

    limit: int = Field(default=100, ge=1, le=250, description="at most this many")
    cursor: Annotated[int, BeforeValidator(read_cursor)] | None = Field(
        default=None, description="`nextCursor` of the page before", json_schema_extra={"type": "string"}
    )


class IncidentQuery(Paging):
    """Which incidents."""

    state: Annotated[IncidentState, known(IncidentState)] | None = None
    component: Text | None = None
    failure_type: Annotated[FailureType, known(FailureType)] | None = None
    severity: Annotated[Severity, known(Severity)] | None = None
    since: Moment | None = Field(default=None, description="opened then or later")


class ExecutionQuery(Paging):
    """Which chains of executions."""

    state: Annotated[ExecutionState, known(ExecutionState)] | None = None
    incident_id: Id | None = None
    workflow_id: Text | None = None
    site: Text | None = None
    since: Moment | None = Field(default=None, description="failed then or later")


class AlertQuery(Paging):
    """Which alerts."""

    state: Annotated[AlertState, known(AlertState)] | None = None
    incident_id: Id | None = None
    channel: Text | None = None
    since: Moment | None = Field(default=None, description="made then or later")


class EventQuery(Paging):
    """Which lines of history."""

    incident_id: Id | None = None
    subject: Subject | None = None
    since: Moment | None = Field(default=None, description="written then or later")


class ComponentQuery(Paging):
    """Which components."""

    name: Text | None = None
    health: Annotated[Health, known(Health)] | None = None


class RangeQuery(Query):
    """A range of time; the last seven days unless given."""

    since: Moment | None = Field(default=None, description="from then on; 7 days before `until` unless given")
    until: Moment | None = Field(default=None, description="before then; now unless given")


class OrderBody(BaseModel):
    """What a person asks for."""

    model_config = ConfigDict(extra="forbid")

    what: Annotated[OrderWhat, known(OrderWhat)]
    step: int | None = Field(default=None, strict=True, ge=0, le=LARGEST_NUMBER, description="must be current")
    stage: int | None = Field(default=None, strict=True, ge=1, le=LARGEST_NUMBER, description="must be current")
    until: Moment | None = Field(default=None, description="of a snooze, which must have one")
    note: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_no_nul)] = ""


class ActionBody(BaseModel):
    """An action that is to be run on a component by hand."""

    model_config = ConfigDict(extra="forbid")

    action: Name = Field(description="one that is configured for the component, else the kind of any action")
    args: dict[str, Any] = Field(default_factory=dict, description="arguments in place of the configured ones")
    dry_run: bool = Field(default=False, strict=True, description="only say what it would do")
    note: Text = ""


class MaintenanceBody(BaseModel):
    """Which components are left alone, and until when; without an end until somebody ends it."""

    model_config = ConfigDict(extra="forbid")

    components: Annotated[list[Name], Field(min_length=1, max_length=100)]
    starts_at: Moment | None = Field(default=None, description="now, where it is not given")
    ends_at: Moment | None = None
    note: Text = ""


class SilenceBody(BaseModel):
    """Which incidents nobody is told of, and until when. What is left out fits all; at least one must be given."""

    model_config = ConfigDict(extra="forbid")

    component: Annotated[list[Name], Field(max_length=100)] = []
    failure_type: Annotated[list[Annotated[FailureType, known(FailureType)]], Field(max_length=30)] = []
    severity: Annotated[list[Annotated[Severity, known(Severity)]], Field(max_length=4)] = []
    label: Annotated[dict[Name, Text], Field(max_length=20)] = {}
    starts_at: Moment | None = Field(default=None, description="now, where it is not given")
    ends_at: Moment
    note: Text = ""


class StatisticsQuery(Query):
    """Since when is counted; the last seven days unless given."""

    since: Moment | None = None


class PeriodQuery(Query):
    """Until when; now unless given."""

    until: Moment | None = None


def read_query(model: type[Asked]) -> Asked:
    """The query parameters of this request.

    Raises:
        Problem: 400, with all that is wrong.
    """
    given = request.args.to_dict(flat=False)
    if repeated := [name for name, values in given.items() if len(values) > 1]:
        raise Problem(400, "Bad request", f"given more than once: {', '.join(repeated)[:200]}")
    return _validate(model, {name: values[0] for name, values in given.items()})


def read_body(model: type[Asked]) -> Asked:
    """The JSON body of this request. A key that is null counts as not given.

    Raises:
        Problem: 415 where it is not sent as JSON, 400 with all that is wrong.
    """
    if not request.is_json:
        raise Problem(415, "Unsupported media type", "send JSON, with the header Content-Type: application/json")
    try:
        body = request.get_json()
    except (BadRequest, RecursionError, ValueError):
        raise Problem(400, "Bad request", "the body is not valid JSON") from None
    if not isinstance(body, dict):
        raise Problem(400, "Bad request", "the body must be a JSON object")
    return _validate(model, {name: value for name, value in body.items() if value is not None})


def read_id(text: str) -> int:
    """A row's id from an address.

    Raises:
        Problem: 400 where it is no whole number that an id can be.
    """
    if not re.fullmatch(r"[0-9]{1,19}", text, re.ASCII) or not 1 <= int(text) <= LARGEST_ID:
        raise Problem(400, "Bad request", f"an id is a whole number from 1, not {text[:80]!r}")
    return int(text)


def _validate(model: type[Asked], given: dict[str, Any]) -> Asked:
    try:
        return model.model_validate(given)
    except ValidationError as wrong:
        errors = [_describe(model, error) for error in wrong.errors(include_url=False)[:20]]
    raise Problem(400, "Bad request", "; ".join(errors), errors=errors)


def _describe(model: type[BaseModel], error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"][:1])[:80]
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown; {did_you_mean(where, model.model_fields)}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"
