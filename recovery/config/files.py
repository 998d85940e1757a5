"""Puts the content of secret files in the place of `<name>_file` keys."""

import re
from pathlib import Path as FilePath
from typing import Any

from recovery.config.plugins import plugin_of, used_plugins
from recovery.config.problems import Path, Problem
from recovery.config.shapes import SECRET_KEY, Model, fields_of, is_secret, models_in
from recovery.config.translate import Translator
from recovery.model.secrets import read_secret_file


class FileKeys:
    """Walks the configuration along its models.

    Fields:
        problems: of files that cannot be used.
        secrets: every secret that was seen, to keep it out of messages.
    """

    def __init__(self, translator: Translator, folder: FilePath):
        self._translator = translator
        self._folder = folder
        self.problems: list[Problem] = []
        self.secrets: set[str] = set()

    def resolve(self, data: dict[str, Any], model: Model) -> None:
        """Replace every `<name>_file` of ours by the secret. A plugin reads its own: so a recovery that keeps its
        arguments keeps a path and no secret."""
        self._walk(data, model, ())
        for registry, _, mapping, _ in used_plugins(data):
            arguments = plugin_of(registry, mapping.get("kind"))
            if arguments:
                self._anchor(mapping, arguments)
        told = data.get("alerts")
        if isinstance(told, dict) and isinstance(told.get("templates"), str) and told["templates"]:
            told["templates"] = str(self._path(told["templates"]))

    def _walk(self, data: dict[str, Any], model: Model, path: Path) -> None:
        fields = fields_of(model)
        for key in list(data):
            base = key.removesuffix("_file")
            if key not in fields and base != key and base in fields and is_secret(fields[base]):
                self._replace(data, base, (*path, key))
        for key, field in fields.items():
            self._notice(data.get(key), is_secret(field) or bool(SECRET_KEY.search(key)))
            for inner in models_in(field.annotation):
                self._enter(data.get(key), inner, (*path, key))

    def _anchor(self, data: dict[str, Any], model: Model) -> None:
        """Make a plugin's relative paths begin at the configuration's folder, and note the secrets in place."""
        for key, field in fields_of(model).items():
            self._notice(data.get(key), is_secret(field) or bool(SECRET_KEY.search(key)))
            if is_secret(field) and data.get(f"{key}_file"):
                data[f"{key}_file"] = self._anchored(data[f"{key}_file"])
            for inner in models_in(field.annotation):
                if isinstance(data.get(key), dict):
                    self._anchor(data[key], inner)

    def _anchored(self, named: Any) -> Any:
        if isinstance(named, dict):
            return {key: self._anchored(value) for key, value in named.items()}
        return str(self._path(named)) if isinstance(named, str) else named

    def _path(self, named: str) -> FilePath:
        return (self._folder / FilePath(named).expanduser()).absolute()

    def _enter(self, value: Any, model: Model, path: Path) -> None:
        if isinstance(value, dict):
            self._walk(value, model, path)
        for place, item in enumerate(value if isinstance(value, list) else []):
            if isinstance(item, dict):
                self._walk(item, model, (*path, place))

    def _notice(self, value: Any, may_be_secret: bool) -> None:
        if may_be_secret and isinstance(value, str):
            self.secrets.add(value)
            self.secrets.update(re.findall(r"://[^/\s:@]*:([^/\s@]+)@", value))
        elif may_be_secret and isinstance(value, dict):
            self.secrets.update(text for text in value.values() if isinstance(text, str))

    def _replace(self, data: dict[str, Any], base: str, path: Path) -> None:
        name = data.pop(f"{base}_file")
        expected = "the path of a file that holds the secret"
        if data.get(base) is not None:
            self._fail(path, f"{base} is given too", "only one of the two", f"take out {base} or {base}_file")
        elif not isinstance(name, str) or not name:
            self._fail(path, self._translator.show((), name), expected)
        else:
            self._read(data, base, path, name)

    def _read(self, data: dict[str, Any], base: str, path: Path, name: str) -> None:
        try:
            data[base] = read_secret_file(self._path(name))
            self.secrets.add(data[base])
        except ValueError as error:
            self._fail(path, str(error), "the path of a file that holds the secret", "create it, or correct the path")

    def _fail(self, path: Path, seen: str, expected: str, way_out: str = "") -> None:
        self.problems.append(self._translator.problem(path, seen, expected, way_out))
