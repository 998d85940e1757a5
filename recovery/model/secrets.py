"""Secrets in settings: each may be given in place, or as `<name>_file`, the path of a file that holds it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, SecretStr, ValidationError, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

__all__ = ["SecretFields", "read_secret_file"]

LARGEST_BYTES = 65_536


class SecretFields(BaseModel):
    """Base of settings that hold secrets. Unknown keys are errors.

    A field `x: SecretStr` (or `SecretStr | None`) may be given as `x_file: path`; a field
    `x: dict[str, SecretStr]` also takes `x_file: {name: path}`. Everything that is wrong is reported at once,
    each at its own key (`loc`), and no error carries a value that may be secret: `input` is kept only for
    known plain fields. For that reason what no single field can tell belongs in `check_together`, not in a model
    validator, whose errors would carry everything.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="wrap")
    @classmethod
    def _take_files(cls, given: Any, handler: ModelWrapValidatorHandler["SecretFields"]) -> "SecretFields":
        if isinstance(given, cls):
            return handler(given)
        if not isinstance(given, Mapping):
            shape = _problem((), "must be a mapping of names to values", "model_type")
            raise ValidationError.from_exception_data(cls.__name__, [shape], hide_input=True)
        problems: list[InitErrorDetails] = []
        filled = _with_files(cls, given, problems)
        broken = {(str(problem["loc"][0]).removesuffix("_file"),) for problem in problems}
        try:
            made = handler(filled)
            if not problems:
                made.check_together()
        except ValidationError as error:
            problems += [_told(cls, one) for one in error.errors() if one["loc"][:1] not in broken]
        except ValueError as error:
            problems.append(_problem((), str(error), "value_error"))
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems, hide_input=True)
        return made

    def check_together(self) -> None:
        """For subclasses: raise ValueError where the fields, each right by itself, do not fit together."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        for name, kind in _secret_fields(cls).items():
            path = {"type": "string", "description": f"path of a file that holds `{name}`"}
            mapping = {"type": "object", "additionalProperties": path}
            schema["properties"][f"{name}_file"] = mapping if kind is dict else path
            if name in schema.get("required", []):
                schema["required"].remove(name)
                either = [{"required": [name]}, {"required": [f"{name}_file"]}]
                schema.setdefault("allOf", []).append({"oneOf": either})
        return schema


def read_secret_file(path: str | Path) -> str:
    """The secret in a file, without the space and newlines around it.

    Raises:
        ValueError: no such file, not readable, not text, larger than 64 KiB or empty; never with its content.
    """
    place = Path(path).expanduser()
    try:
        with place.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read the file {str(place)!r}: {error.strerror or error}") from None
    if len(content) > LARGEST_BYTES:
        raise ValueError(f"the file {str(place)!r} is larger than 64 KiB: that is no secret")
    try:
        secret = content.decode().strip()
    except UnicodeDecodeError:
        raise ValueError(f"the file {str(place)!r} is not UTF-8 text") from None
    if not secret:
        raise ValueError(f"the file {str(place)!r} is empty")
    return secret


def _secret_fields(model: type[BaseModel]) -> dict[str, type]:
    """The secret fields of a model: str for a single secret, dict for named ones."""
    found: dict[str, type] = {}
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        if SecretStr in kinds and get_origin(field.annotation) is not dict:
            found[name] = str
        elif any(get_origin(kind) is dict and SecretStr in get_args(kind) for kind in kinds):
            found[name] = dict
    return found


def _with_files(model: type[BaseModel], given: Mapping[Any, Any], problems: list[InitErrorDetails]) -> dict[Any, Any]:
    filled = dict(given)
    for name, kind in _secret_fields(model).items():
        paths = filled.pop(f"{name}_file", None)
        if paths is None:
            continue
        if kind is dict:
            _fill_named(filled, name, paths, problems)
        elif filled.get(name) is not None:
            problems.append(_problem((f"{name}_file",), f"`{name}` is given too: keep one of the two"))
        else:
            filled[name] = _read((f"{name}_file",), paths, problems)
    return filled


def _fill_named(filled: dict[Any, Any], name: str, paths: Any, problems: list[InitErrorDetails]) -> None:
    if not isinstance(paths, Mapping):
        problems.append(_problem((f"{name}_file",), "must be a mapping of names to paths of files"))
        return
    held = filled.get(name)
    inline = dict(held) if isinstance(held, Mapping) else {}
    for key, path in paths.items():
        place = (f"{name}_file", str(key))
        if key in inline:
            problems.append(_problem(place, f"`{name}` has {str(key)!r} too: keep one of the two"))
        else:
            inline[key] = _read(place, path, problems)
    if held is None or isinstance(held, Mapping):
        filled[name] = inline


def _read(place: tuple[str, ...], path: Any, problems: list[InitErrorDetails]) -> str:
    if not isinstance(path, str | Path) or not str(path):
        problems.append(_problem(place, "must be the path of a file"))
        return "unread"
    try:
        return read_secret_file(path)
    except ValueError as error:
        problems.append(_problem(place, str(error)))
        return "unread"


def _problem(
    place: tuple[int | str, ...], message: str, kind: str = "secret_file", seen: Any = None
) -> InitErrorDetails:
    # The message travels as a value: braces in it are no template.
    error = PydanticCustomError(kind, "{message}", {"message": message})  # type: ignore[arg-type]
    return InitErrorDetails(type=error, loc=place, input=seen)


def _told(model: type[BaseModel], error: Any) -> InitErrorDetails:
    place, message, kind = error["loc"], error["msg"], error["type"]
    secrets = _secret_fields(model)
    if kind == "missing" and len(place) == 1 and place[0] in secrets:
        message = f"give `{place[0]}`, or `{place[0]}_file` with the path of a file that holds it"
    plain = bool(place) and place[0] in model.model_fields and place[0] not in secrets and kind != "missing"
    return _problem(place, message, kind, error.get("input") if plain else None)
