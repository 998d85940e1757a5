"""Describes the API (OpenAPI 3.1) from its table of routes and the pydantic models of its values."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from flask import Response
from pydantic import BaseModel, SerializeAsAny
from pydantic.json_schema import models_json_schema

REFERENCE = "#/components/schemas/{model}"
ERRORS = {
    400: "what was asked is not understood",
    401: "no token, or a wrong one",
    403: "a scoped token, which is good for other addresses",
    404: "there is no such row or component",
    409: "too late: the step or stage is no longer current, or the order makes no sense now",
    415: "the body is not sent as JSON",
    429: "too many failed logins; Retry-After says how long to wait",
    503: "the database does not answer",
}


class Listed(BaseModel):
    """One page of a list."""

    data: list[SerializeAsAny[BaseModel]]
    nextCursor: str | None = None  # noqa: N815 - n8n's own API calls it so


@dataclass(frozen=True, slots=True)
class Route:
    """One address of the API.

    Fields:
        path: in Flask's way of writing, below /api/v1.
        shown: the model of the answer; None for an answer without one.
        query, body: the models of what may be asked.
        listed: the answer is a page of `shown`.
        scope: of a token that may do this beside the operator's; "" for none.
    """

    method: str
    path: str
    view: Callable[..., Response]
    shown: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    listed: bool = False
    status: int = 200
    scope: str = ""


def write_document(routes: tuple[Route, ...]) -> str:
    """The whole description as JSON text."""
    paths: dict[str, Any] = {}
    for route in routes:
        path = "/api/v1" + re.sub(r"<(?:path:)?(\w+)>", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _describe(route)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "n8n-medic", "version": version("n8n-medic")},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    return json.dumps(document, indent=1) + "\n"


def _schemas(routes: tuple[Route, ...]) -> dict[str, Any]:
    answers = [(route.shown, "serialization") for route in routes if route.shown]
    bodies = [(route.body, "validation") for route in routes if route.body]
    _, found = models_json_schema([*answers, *bodies], ref_template=REFERENCE)  # type: ignore[list-item]
    problem = {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
        },
    }
    return {**found.get("$defs", {}), "Problem": problem}


def _describe(route: Route) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": (route.view.__doc__ or "").strip(),
        "operationId": route.view.__name__,
        "parameters": [*_path_parameters(route.path), *_query_parameters(route.query)],
        "responses": {str(route.status): _describe_answer(route), **_describe_errors(route)},
    }
    if route.scope:
        described["description"] = f"For the operator's token, or one with the scope `{route.scope}`."
    if route.body:
        described["requestBody"] = {"required": True, "content": _json_of(_reference(route.body))}
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    schemas = {"": {"type": "integer", "minimum": 1}, "path:": {"type": "string"}}
    found = re.findall(r"<(path:)?(\w+)>", path)
    return [{"name": name, "in": "path", "required": True, "schema": schemas[kind]} for kind, name in found]


def _query_parameters(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = query.model_json_schema(ref_template=REFERENCE)
    found = []
    for name, field in schema.get("properties", {}).items():
        described = {key: value for key, value in field.items() if key not in ("title", "description")}
        parameter = {"name": name, "in": "query", "schema": _inline(described, schema.get("$defs", {}))}
        found.append(parameter | ({"description": field["description"]} if "description" in field else {}))
    return found


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """Put definitions where they are referred to: a parameter's enum is best seen at the parameter."""
    if isinstance(schema, list):
        return [_inline(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return definitions[schema["$ref"].rsplit("/", 1)[1]]
    return {key: _inline(value, definitions) for key, value in schema.items()}


def _describe_answer(route: Route) -> dict[str, Any]:
    schema: dict[str, Any] = _reference(route.shown) if route.shown else {"type": "object"}
    if route.listed:
        cursor = {"type": ["string", "null"]}
        rows = {"type": "array", "items": schema}
        schema = {
            "type": "object",
            "required": ["data", "nextCursor"],
            "properties": {"data": rows, "nextCursor": cursor},
        }
    return {"description": HTTPStatus(route.status).phrase, "content": _json_of(schema)}


def _describe_errors(route: Route) -> dict[str, Any]:
    codes = {400, 401, 403, 429, 503}
    codes |= {404} if "<" in route.path else set()
    codes |= {409, 415} if route.body else {409} if route.status == 202 else set()
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {str(code): {"description": ERRORS[code], "content": content} for code in sorted(codes)}


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _json_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
