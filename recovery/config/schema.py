"""The JSON Schema of the configuration, for editors; made from the settings and the plugins' arguments."""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from recovery import alerts, checks
from recovery.config.sections import Channel, CheckUse
from recovery.config.settings import Config
from recovery.config.shapes import fields_of, is_secret, models_in
from recovery.model import Registry

TITLE = "n8n-medic configuration"
REF = "#/$defs/{model}"


def config_schema() -> dict[str, Any]:
    """The schema of `medic.yaml` (JSON Schema 2020-12)."""
    schema = Config.model_json_schema(ref_template=REF)
    definitions = schema["$defs"]
    _allow_files(schema, Config)
    for model in _ours():
        if model.__name__ in definitions:
            _allow_files(definitions[model.__name__], model)
    definitions["CheckUse"] = _one_of_kinds("Check", checks.REGISTRY, definitions["CheckUse"], definitions)
    definitions["Channel"] = _one_of_kinds("Channel", alerts.REGISTRY, definitions["Channel"], definitions)
    head = {"$schema": GenerateJsonSchema.schema_dialect, "title": TITLE}
    return _allow_nothing(head | {key: value for key, value in schema.items() if key != "title"})


def render_schema() -> str:
    """The schema as the text of `docs/medic.schema.json`."""
    return json.dumps(config_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _ours() -> list[Any]:
    found: list[Any] = []
    waiting: list[Any] = [Config]
    while waiting:
        model = waiting.pop()
        if model in found:
            continue
        found.append(model)
        for field in model.model_fields.values():
            waiting += models_in(field.annotation)
    return [model for model in found if model not in (Config, CheckUse, Channel)]


def _allow_files(schema: dict[str, Any], model: Any) -> None:
    """Beside every secret, the key that names a file with it."""
    for key, field in fields_of(model).items():
        if is_secret(field):
            schema["properties"][key]["writeOnly"] = True
            meaning = f"Path of a file that holds `{key}`."
            schema["properties"][f"{key}_file"] = {"type": "string", "description": meaning}
            if key in schema.get("required", []):
                schema["required"].remove(key)
                schema["anyOf"] = [{"required": [key]}, {"required": [f"{key}_file"]}]


def _one_of_kinds(word: str, registry: Registry, ours: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """One shape for each kind, with the keys that are common to all."""
    shapes = []
    for plugin in registry.all():
        name = f"{word}_{plugin.name}"
        definitions[name] = _kind_schema(plugin.name, plugin.doc, plugin.args, ours, definitions, name)
        shapes.append({"$ref": REF.format(model=name)})
    kinds = {"enum": [plugin.name for plugin in registry.all()]}
    return {"type": "object", "properties": {"kind": kinds}, "required": ["kind"], "oneOf": shapes}


def _kind_schema(
    kind: str, doc: str, args: Any, ours: dict[str, Any], definitions: dict[str, Any], name: str
) -> dict[str, Any]:
    schema = args.model_json_schema(ref_template=f"#/$defs/{name}_{{model}}")
    for inner, shape in schema.pop("$defs", {}).items():
        definitions[f"{name}_{inner}"] = shape
    common = {key: value for key, value in ours["properties"].items() if key != "kind"}
    properties = {"kind": {"const": kind}, **common, **schema.get("properties", {})}
    required = [*ours.get("required", []), *schema.get("required", [])]
    return schema | {
        "title": kind,
        "description": doc.strip().split("\n")[0],
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _allow_nothing(schema: dict[str, Any]) -> dict[str, Any]:
    """A key without a value counts as not set, in groups as for single values."""
    for definition in [schema, *schema["$defs"].values()]:
        required = definition.get("required", [])
        for key, value in definition.get("properties", {}).items():
            is_group = "$ref" in value or value.get("type") == "array"
            if is_group and key not in required and "anyOf" not in value:
                kept = {name: value.pop(name) for name in ("description", "default", "title") if name in value}
                definition["properties"][key] = {"anyOf": [dict(value), {"type": "null"}], **kept}
    return schema
