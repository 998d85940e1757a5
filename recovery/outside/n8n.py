"""The door to one n8n: its public REST API, and its health."""

import json
import threading
import time
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote

import requests
import urllib3

from recovery.model import N8nError
from recovery.outside import n8n_older
from recovery.outside.n8n_acting import N8nActingDoor
from recovery.outside.n8n_no_answer import NoAnswerInTime, why_no_answer
from recovery.outside.n8n_older import with_text_ids
from recovery.outside.n8n_session import new_session
from recovery.outside.n8n_watching import ID_SHAPE, N8nWatching
from recovery.outside.n8n_wiring import N8nWiringDoor

LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
LARGEST_PAGE = 250  # n8n gives no more
# What a proxy in front of n8n says when it gave up waiting; n8n itself never does.
PROXY_GAVE_UP = frozenset({504, 524})


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back: `body` is the parsed JSON, plain text as it is, else None; `why` is n8n's own message."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def why(self) -> str:
        message = self.body.get("message") if isinstance(self.body, dict) else None
        return message[:300] if isinstance(message, str) else ""

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "nothing").split(";")[0][:60]


class N8n(N8nWatching, N8nActingDoor, N8nWiringDoor):
    """One n8n's public REST API (`/api/v1`); implements `N8nDoor`. Threads may share it.

    Each answer is read to its end within the deadline. No error, log line or repr holds the key. Redirects are not
    followed, because the key would go with them.

    Args:
        site: the name that the configuration gives this n8n.
        url: its address, without `/api/v1`.
        timeout_seconds: how long an answer may take; a retry is let go after it, and runs on in n8n.
    """

    def __init__(self, site: str, url: str, api_key: str, timeout_seconds: float = 10.0) -> None:
        self.site = site
        self._url = url.rstrip("/")
        self._key = api_key.strip()
        self._timeout = timeout_seconds
        self._threads = threading.local()
        self._where = _without_credentials(self._url)
        self._is_older = False

    def __repr__(self) -> str:
        return f"N8n({self.site!r}, {self._where!r})"

    # -- what the door promises

    def execution(self, execution_id: str, with_data: bool = False) -> dict[str, Any] | None:
        """One execution; None where it is gone. Raises N8nError."""
        query = {"includeData": "true"} if with_data else {}
        found = self._find("executions", execution_id, "execution:read", query)
        return with_text_ids(found) if found else None

    def executions(
        self,
        status: str = "",
        workflow_id: str = "",
        started_after: str = "",
        cursor: str = "",
        limit: int = 100,
        started_before: str = "",
    ) -> tuple[list[dict[str, Any]], str]:
        """One page, newest first, and the cursor of the next one, "" at the end. Raises N8nError."""
        asked = {"status": status, "workflowId": workflow_id, "startedAfter": started_after, "cursor": cursor}
        query = {name: value for name, value in (asked | {"startedBefore": started_before}).items() if value}
        query["limit"] = str(max(1, min(limit, LARGEST_PAGE)))
        answer = self._ask("GET", "/api/v1/executions", n8n_older.known_to(self._is_older, query))
        if n8n_older.refuses_moments(answer.status, answer.why) and not self._is_older:
            self._is_older = True
            return self.executions(status, workflow_id, started_after, cursor, limit, started_before)
        if n8n_older.refuses_status(answer.status, answer.why):
            return [], ""
        if answer.status != 200:
            self._refuse(answer, "execution:list")
        page, following = self._object(answer).get("data"), answer.body.get("nextCursor")
        if not isinstance(page, list) or not all(isinstance(one, dict) for one in page):
            self._strange(answer, "a list of executions")
        found = [with_text_ids(one) for one in page], following if isinstance(following, str) else ""
        return n8n_older.within(*found, query) if self._is_older else found

    def retry(self, execution_id: str) -> dict[str, Any] | None:
        """Retry with the workflow as it was; the new execution, or None where it is still under way.

        Raises:
            N8nError: "not_found": the execution or its data is gone. "conflict": it succeeded, or is not over.
                "too_old": this n8n cannot retry. "reset", "network" or "status": nobody knows whether a run began.
        """
        if not ID_SHAPE.fullmatch(execution_id):
            raise N8nError("n8n has no execution with such an id", "not_found", permanent=True)
        try:
            # A fresh connection: one that n8n closes just then would leave open whether the run began.
            with new_session() as session:
                answer = self._ask("POST", f"/api/v1/executions/{execution_id}/retry", {}, session, body={})
        except NoAnswerInTime:
            return None
        if answer.status in PROXY_GAVE_UP:
            return None
        if answer.status != 200:
            self._refuse_retry(answer)
        return with_text_ids(self._object(answer))

    def workflow(self, workflow_id: str) -> dict[str, Any] | None:
        """A workflow with its tags; None where it is gone. Raises N8nError."""
        return self._find("workflows", workflow_id, "workflow:read", {})

    # -- how

    def _find(self, kind: str, found_id: str, scope: str, query: dict[str, str]) -> dict[str, Any] | None:
        if not ID_SHAPE.fullmatch(found_id):
            return None
        answer = self._ask("GET", f"/api/v1/{kind}/{quote(found_id, safe='')}", query)
        if _is_gone(answer):
            return None
        if answer.status != 200:
            self._refuse(answer, scope)
        return self._object(answer)

    def _session(self) -> requests.Session:
        if not hasattr(self._threads, "session"):
            self._threads.session = new_session()
        session: requests.Session = self._threads.session
        return session

    def _ask(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        session: requests.Session | None = None,
        *,
        body: Any = None,
        with_key: bool = True,
        headers: dict[str, str] | None = None,
    ) -> _Answer:
        """Ask once and read the whole answer; a status is an answer. Raises N8nError where none came."""
        sent = (headers or {}) | ({"X-N8N-API-KEY": self._usable_key()} if with_key else {})
        until = time.monotonic() + self._timeout
        try:
            with (session or self._session()).request(
                method,
                self._url + path,
                params=query,
                json=body,
                headers=sent,
                timeout=urllib3.Timeout(total=self._timeout),  # type: ignore[arg-type]
                allow_redirects=False,
                stream=True,
            ) as response:
                kept = {name.lower(): value for name, value in response.headers.items()}
                return _Answer(response.status_code, _parsed(self._read(response, until), kept), kept)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # `from None`: requests may put headers, and so the key, into its messages.
            raise self._no_answer(error, time.monotonic() >= until) from None

    def _usable_key(self) -> str:
        if not self._key:
            raise N8nError(f"no API key is set for n8n at {self._where}", "auth", permanent=True)
        if not (self._key.isascii() and self._key.isprintable()):
            raise N8nError("the n8n API key holds characters that no key has", "auth", permanent=True)
        return self._key

    def _read(self, response: requests.Response, until: float) -> bytes:
        found = bytearray()
        # read1 gives what has come; a plain read would wait for a whole piece, past any deadline.
        while chunk := response.raw.read1(65_536, decode_content=True):
            found += chunk
            if len(found) > LARGEST_ANSWER_BYTES:
                raise N8nError(f"n8n at {self._where} sent more than {LARGEST_ANSWER_BYTES >> 20} MiB", "status")
            if time.monotonic() > until:
                break
        if time.monotonic() >= until:  # headers that were cut then look like an answer without a body
            raise requests.ReadTimeout
        return bytes(found)

    def _no_answer(self, error: Exception, is_late: bool) -> N8nError:
        kind, words = why_no_answer(error)
        if (kind == "timeout" and not isinstance(error, requests.ConnectTimeout)) or (is_late and kind == "reset"):
            return NoAnswerInTime(f"n8n at {self._where} did not answer within {self._timeout:g} s", "timeout")
        return N8nError(f"n8n at {self._where} cannot be reached: {words}", kind)

    def _object(self, answer: _Answer) -> dict[str, Any]:
        if not isinstance(answer.body, dict):
            self._strange(answer, "an object")
        body: dict[str, Any] = answer.body
        return body

    def _strange(self, answer: _Answer, wanted: str) -> NoReturn:
        raise N8nError(
            f"{self._where} answered {answer.status} with {answer.media} where n8n answers with {wanted}: "
            "is this address n8n's, and does a proxy let /api/v1 through?",
            "status",
        )

    def _refuse_retry(self, answer: _Answer) -> NoReturn:
        # A route that n8n does not know answers "not found"; an execution that is gone is told in other words.
        if answer.status == 405 or (answer.status == 404 and answer.why == "not found"):
            message = f"n8n at {self._where} is too old to retry an execution through its API: update n8n"
            raise N8nError(message, "too_old", permanent=True)
        self._refuse(answer, "execution:retry")

    def _refuse(self, answer: _Answer, scope: str) -> NoReturn:
        said = f": {answer.why}" if answer.why else ""
        if answer.status == 401:
            raise N8nError(f"n8n at {self._where} refused the API key", "auth", permanent=True)
        if answer.status == 403:
            raise N8nError(f"the API key of n8n at {self._where} needs the scope {scope}", "forbidden", True)
        if answer.status == 404 and answer.why and answer.why != "not found":
            raise N8nError(f"n8n has it no more{said}", "not_found", permanent=True)
        if answer.status == 409:
            raise N8nError(f"n8n refused{said}", "conflict", permanent=True)
        if answer.status == 429:
            wait = _seconds(answer.headers.get("retry-after", ""))
            raise N8nError(f"n8n at {self._where} asks for fewer calls", "rate_limited", retry_after_seconds=wait)
        if answer.status >= 500:
            raise N8nError(f"n8n at {self._where} answered {answer.status}{said}", "status")
        if answer.status == 400:
            raise N8nError(f"n8n did not take the request{said}", "client", permanent=True)
        self._strange(answer, "its API")


def _without_credentials(url: str) -> str:
    """Scheme, host and port of an address; the text before an `@` may be a password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.split('/')[0].rpartition('@')[2]}" if rest else "its address"


def _parsed(content: bytes, headers: dict[str, str]) -> Any:
    if headers.get("content-type", "").startswith("text/plain"):
        return content.decode(errors="replace")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _is_gone(answer: _Answer) -> bool:
    return answer.status == 404 and answer.why not in ("", "not found")


def _seconds(text: str) -> float | None:
    """A Retry-After in seconds, at most an hour; None where it is a date or nonsense."""
    return min(float(text), 3600.0) if text.isascii() and text.isdigit() else None
