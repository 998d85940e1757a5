"""Where agents ask for what they are to restart, and tell what came of it. Only stored and read: the worker decides."""

from typing import Annotated, Any, Literal, TypeVar

from flask import Blueprint, Response, current_app, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from recovery import clock
from recovery.store import requests
from webhook_server.problems import Problem
from webhook_server.security import plain, require_one_of

LARGEST_ID = 2**63 - 1

blueprint = Blueprint("agents", __name__, url_prefix="/agent")
Body = TypeVar("Body", bound=BaseModel)
Mark = Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{32}$")]
Name = Annotated[StrictStr, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Taking(BaseModel):
    """What an agent may restart, and the mark under which it takes the next request."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    mark: Mark
    offers: Annotated[list[Name], Field(max_length=100)]


class Answering(BaseModel):
    """What came of a request."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    mark: Mark
    how: Literal["ended", "timed_out", "refused", "unknown"]
    code: Annotated[StrictInt, Field(ge=-255, le=255)] | None = None
    output: Annotated[StrictStr, Field(max_length=65_536)] = ""


@blueprint.post("/requests")
def take() -> Response:
    """The request that the agent is to carry out now, or null."""
    agent, asked, now = _agent(), _read(Taking), clock.utc_now()
    requests.note_agent(agent, asked.offers, now)
    row = requests.take(agent, asked.mark, now)
    if row is None:
        return jsonify(request=None)
    seconds = (row.until - now).total_seconds()
    return jsonify(request={"id": row.id, "what": row.what, "seconds": round(seconds, 1)})


@blueprint.post("/requests/<int:request_id>/answer")
def answer(request_id: int) -> tuple[Response, int]:
    """Store what came of a request. The same answer again is no error: the first receipt may have been lost."""
    agent, told = _agent(), _read(Answering)
    try:
        if request_id > LARGEST_ID:
            raise requests.NoSuchRequest("there is no such request")
        requests.answer(agent, request_id, told.mark, told.model_dump(exclude={"mark"}), clock.utc_now())
    except requests.NoSuchRequest as missing:
        raise Problem(404, "No such request", str(missing)) from None
    except requests.NotTheirs as refused:
        raise Problem(409, "Not yours to answer", str(refused)) from None
    return jsonify(stored=True), 202


def _agent() -> str:
    """The agent whose token this is: nothing else says who asks."""
    tokens = {agent.name: plain(agent.token) for agent in current_app.config["MEDIC"].agents}
    return require_one_of(tokens, "agents")


def _read(model: type[Body]) -> Body:
    given: Any = request.get_json(silent=True)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][:3])
        raise Problem(400, "Not a valid body", f"{where or 'the body'}: {first['msg']}") from None
