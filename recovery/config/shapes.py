"""Looks into pydantic models: which keys a place takes, which of them are secrets, what they mean."""

import re
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from recovery.config.problems import Path
from recovery.config.types import SecretMark

SECRET_KEY = re.compile(
    r"secret|token|passw|key|auth|credential|cookie|sid|header|^env$|dsn|(database|webhook)_url", re.IGNORECASE
)
"""Keys whose values are never shown."""

Model = type[BaseModel]


def models_in(annotation: Any) -> Iterator[Model]:
    """Every model that a field's type names, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from models_in(part)


def is_secret(field: FieldInfo) -> bool:
    """Whether a field is declared a secret, so that `<key>_file` may stand in place of the key."""
    return any(isinstance(mark, SecretMark) for mark in field.metadata) or _holds_secret(field.annotation)


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in typing.get_args(annotation))


def fields_of(model: Model) -> dict[str, FieldInfo]:
    """The fields by the key that the file uses."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def keys_of(model: Model) -> set[str]:
    """Every key that a place of this model takes."""
    fields = fields_of(model)
    return set(fields) | {f"{key}_file" for key, field in fields.items() if is_secret(field)}


def model_at(model: Model, path: Path) -> Model | None:
    """The model that describes the place; None where none does."""
    found: Model | None = model
    for part in path:
        if isinstance(part, int) or found is None:
            continue
        field = fields_of(found).get(part)
        found = next(models_in(field.annotation), None) if field else None
    return found


def meaning_of(model: Model, path: Path) -> str:
    """What a key means, as its field says; "" where it says nothing."""
    place = model_at(model, path[:-1])
    field = fields_of(place).get(str(path[-1])) if place and path else None
    return (field.description or "").rstrip(".") if field else ""
