"""How an agent asks n8n-medic for what it is to restart, and tells what came of it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from recovery.cli.agent_telling import TIMEOUT_SECONDS, NotTaken, detail_of
from recovery.model import DoorError, HttpAnswer, HttpDoor

GONE = (404, 409)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: its number, the name of what is to be restarted, and how many seconds are left for the answer."""

    id: int
    what: str
    seconds: float


class Refused(Exception):  # noqa: N818 as it is said
    """n8n-medic knows of no such request, or not of ours: it will never take the answer."""


class Asking:
    """One n8n-medic, asked with the agent's own token."""

    def __init__(self, to: str, read_token: Callable[[], str], http: HttpDoor):
        self._to, self._read_token, self._http = to, read_token, http

    def take(self, mark: str, offers: Sequence[str]) -> Request | None:
        """The request that is ours under this mark; None where there is none. Raises NotTaken."""
        answer = self._post("/agent/requests", {"mark": mark, "offers": list(offers)})
        if answer.status != 200:
            raise _not_taken(self._to, answer)
        return _request(self._to, answer.text)

    def tell(self, request_id: int, mark: str, told: dict[str, Any]) -> None:
        """Say what came of it; returns once that is stored. Raises NotTaken, or Refused."""
        answer = self._post(f"/agent/requests/{request_id}/answer", {"mark": mark, **told})
        if answer.status in GONE and detail_of(answer.text):
            raise Refused(detail_of(answer.text))
        if answer.status != 202:
            raise _not_taken(self._to, answer)

    def _post(self, path: str, body: dict[str, Any]) -> HttpAnswer:
        try:
            headers = {"Authorization": f"Bearer {self._read_token()}"}
        except ValueError as error:
            raise NotTaken(f"there is no agent token: {error}", permanent=True) from None
        try:
            return self._http.request(
                "POST", f"{self._to}{path}", json=body, headers=headers, timeout_seconds=TIMEOUT_SECONDS, follow=False
            )
        except DoorError as problem:
            raise NotTaken(str(problem)) from None


def _request(to: str, text: str) -> Request | None:
    """What the answer asks for; the server is believed to be n8n-medic, and may still say anything."""
    try:
        told = json.loads(text)["request"]
        if told is None:
            return None
        number, what, seconds = told["id"], told["what"], told["seconds"]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise NotTaken(f"{to} answered, but not as n8n-medic does: is this its address?", True) from None
    fits = type(number) is int and isinstance(what, str) and type(seconds) in (int, float)
    if not fits or not 0 < number < 2**63:
        raise NotTaken(f"{to} asks for something that no n8n-medic asks for", True)
    return Request(number, what, float(seconds))


def _not_taken(to: str, answer: HttpAnswer) -> NotTaken:
    words = {
        401: "it refuses the agent's token: `agents` of its configuration must have it",
        404: "it takes no agents: is it an older n8n-medic?",
    }
    said = (words.get(answer.status, ""), detail_of(answer.text))
    why = f"{to} answered {answer.status}" + "".join(f": {one}" for one in said if one)
    return NotTaken(why, answer.status < 500 and answer.status not in (408, 425, 429))
