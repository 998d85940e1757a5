"""Errors as application/problem+json (RFC 9457)."""

import json
from http import HTTPStatus
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException


class Problem(Exception):
    """An error that the caller is told of as problem+json.

    Fields:
        status: HTTP status.
        title: what kind of error, short.
        detail: what exactly is wrong, and what was expected.
        headers: response headers beside the body.
        extra: further members of the body.
    """

    def __init__(self, status: int, title: str, detail: str, headers: dict[str, str] | None = None, **extra: Any):
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
        self.headers, self.extra = headers or {}, extra

    def response(self) -> Response:
        """The answer that says so."""
        answer = problem(self.status, self.title, self.detail, **self.extra)
        answer.headers.update(self.headers)
        return answer


def problem(status: int, title: str, detail: str, **extra: Any) -> Response:
    """An answer that names what is wrong; `extra` are further members of its body."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **extra}
    return Response(json.dumps(body, ensure_ascii=False) + "\n", status=status, content_type="application/problem+json")


def unreachable() -> Response:
    """The answer where the database is away."""
    return problem(503, "Database unreachable", "the database does not answer; try again in a moment")


def broken() -> Response:
    """The answer to a request that we could not handle."""
    return problem(500, "Internal error", "something went wrong here; the log says what")


def problem_of(error: HTTPException) -> Response:
    """The problem that tells of one of Flask's own errors (404, 405, 413, ...)."""
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    detail = error.description or error.name
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = "the body is larger than 1 MiB (1,048,576 bytes)"
    answer = problem(status, error.name, detail)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        answer.headers["Allow"] = ", ".join(sorted(allowed))
    return answer
