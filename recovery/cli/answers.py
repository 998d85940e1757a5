"""The answers that `medic init` needs: from its options, from the defaults, or asked on the terminal."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import click

from recovery.cli.first_file import free_file
from recovery.cli.pieces import Piece, Slot, Template, write_value
from recovery.cli.trying import why_no_name, why_refused
from recovery.config.problems import suggest

NONE = "none"


@dataclass
class Answers:
    """Where answers come from.

    Fields:
        target: the file that is to be written. folder: where files of secrets go.
        given: of `--set`: "<name>.<key>" and its value; what is used is taken out.
        asks: a person answers what is not given. shows: examples stand in for it.
        secrets: those that were typed or read, each with the file that it goes to.
    """

    target: Path
    folder: Path
    given: dict[str, str] = field(default_factory=dict)
    asks: bool = False
    shows: bool = False
    secrets: dict[Path, str] = field(default_factory=dict)

    def fill(self, template: Template, name: str) -> Piece:
        """A piece with all its values; the value of a secret is the path of its file.

        Raises:
            click.UsageError: something is missing, or makes no sense.
        """
        if self.asks and template.slots:
            click.echo(f"\n{name}: {template.what}")
        return Piece(template, name, {slot.key: self._value(slot, name, template) for slot in template.slots})

    def _value(self, slot: Slot, name: str, template: Template) -> str:
        value = self._secret(slot, name) if slot.kind == "secret" else self._plain(slot, name)
        if value:
            try:
                _check(slot, name, value)
                if self.asks and slot.kind != "secret" and (why := why_refused(template, name, slot, value)):
                    raise click.UsageError(f"{name}.{slot.key}: {why}")
            except click.UsageError as error:
                if not self.asks:
                    raise
                click.echo(f"  {error.message}")
                return self._value(slot, name, template)
        elif not slot.optional:
            key = f"{slot.key}_file=PATH" if slot.kind == "secret" else f"{slot.key}=VALUE"
            raise click.UsageError(f"{name} needs {slot.question}: --set {name}.{key}")
        return value

    def _plain(self, slot: Slot, name: str) -> str:
        found = self.given.pop(f"{name}.{slot.key}", None)
        if found is not None:
            return found
        if self.asks:
            hint = "" if slot.default or not slot.example else f", such as {slot.example}"
            return ask(f"  {slot.question}{hint}", slot.default, slot.optional)
        return slot.default or (slot.example if self.shows and not slot.optional else "")

    def _secret(self, slot: Slot, name: str) -> str:
        path = self.given.pop(f"{name}.{slot.key}_file", None)
        if path is None and self.asks:
            path = ask(f"  {slot.question}: the path of a file that holds it (empty: type it next)", "", True)
            return self._as_written(Path(path)) if path else self._keep(slot, name, _ask_hidden(slot))
        if path == "-":
            return self._keep(slot, name, sys.stdin.readline().strip())
        if path:
            return self._as_written(Path(path))
        return slot.example if self.shows and not slot.optional else ""

    def _keep(self, slot: Slot, name: str, secret: str) -> str:
        if not secret:
            return ""
        path = free_file(self.folder, f"{name}_{slot.key}", secret, self.secrets)
        self.secrets[path] = secret
        return self._as_written(path)

    def _as_written(self, path: Path) -> str:
        """As the file names it: a relative path begins at its folder."""
        whole, folder = path.expanduser().absolute(), self.target.parent.absolute()
        return str(whole.relative_to(folder) if whole.is_relative_to(folder) else whole)


def ask(question: str, default: str = "", may_be_empty: bool = False) -> str:
    """One line from a person."""
    shown = None if not default and not may_be_empty else default
    return str(click.prompt(question, default=shown, show_default=bool(default))).strip()


def _ask_hidden(slot: Slot) -> str:
    words = "not shown; empty: later" if slot.optional else "not shown"
    shown = "" if slot.optional else None
    return str(click.prompt(f"  {slot.question} ({words})", shown, hide_input=True, show_default=False)).strip()


def _check(slot: Slot, name: str, value: str) -> None:
    try:
        write_value(slot.kind, value)
        holds_login = slot.key == "url" and slot.kind == "text" and urlsplit(value).password is not None
    except ValueError as error:
        raise click.UsageError(f"{name}.{slot.key}: {error}") from None
    if holds_login:
        raise click.UsageError(f"{name}.{slot.key}: write the address without a password; the file is shown")


def read_given(pairs: Iterable[str], pieces: Sequence[tuple[Template, str]]) -> dict[str, str]:
    """What `--set NAME.KEY=VALUE` says, for pieces of those names.

    Raises:
        click.UsageError: it speaks of nothing that there is.
    """
    known = {f"{name}.{key_of(slot)}" for template, name in pieces for slot in template.slots}
    found: dict[str, str] = {}
    for pair in pairs:
        key = next((one for one in known if pair.startswith(f"{one}=")), "")
        if not key:
            said = pair.partition("=")[0]
            listed = ", ".join(sorted(known)) or "nothing, without --template and --channel"
            raise click.UsageError(f"--set {said}=...: there is no such key. {suggest(said, known)} Known: {listed}")
        found[key] = pair.removeprefix(f"{key}=")
    return found


def key_of(slot: Slot) -> str:
    """How `--set` calls a slot: a secret is never given there itself, but the file that holds it."""
    return f"{slot.key}_file" if slot.kind == "secret" else slot.key


def choose(words: Iterable[str], templates: Sequence[Template], option: str) -> list[tuple[Template, str]]:
    """The templates that `KIND` or `KIND=NAME` name, each with the name of its piece.

    Raises:
        click.UsageError: no such template, or two pieces of one name.
    """
    known = {template.name: template for template in templates}
    chosen: list[tuple[Template, str]] = []
    for word in words:
        kind, _, name = word.partition("=")
        if kind not in known:
            raise click.UsageError(f"{option} {kind}: there is none. {suggest(kind, known)} Known: {', '.join(known)}")
        chosen.append((known[kind], name.strip() or kind))
        if why := why_no_name(*chosen[-1]):
            raise click.UsageError(f"{option} {word}: no piece can be called so: {why}")
    names = [name for _, name in chosen]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise click.UsageError(f"two pieces are called {twice}: give each a name, {option} KIND=NAME")
    return chosen


def ask_which(question: str, templates: Sequence[Template], default: str, option: str) -> list[tuple[Template, str]]:
    """Let a person choose; asked again until it fits."""
    click.echo()
    for template in templates:
        click.echo(f"  {template.name:<15} {template.what}")
    while True:
        try:
            return choose([word for word in ask(question, default).split() if word != NONE], templates, option)
        except click.UsageError as error:
            click.echo(f"  {error.message}")


def on_a_terminal() -> bool:
    """Whether a person can answer."""
    return sys.stdin.isatty()


def given_up(nothing: str) -> str:
    """What a person reads who broke off, and who can answer nothing how to do without."""
    return f"\n{nothing}" if on_a_terminal() else f"{nothing} Without a terminal: --yes, and options."
