"""`medic init`: makes a first medic.yaml that works."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import click

from recovery.cli.answers import NONE, Answers, ask, ask_which, choose, given_up, read_given
from recovery.cli.channel_templates import CHANNELS
from recovery.cli.first_file import CannotWrite, refusal, write_checked
from recovery.cli.itself import medic
from recovery.cli.pieces import Piece, Template, write_file
from recovery.cli.templates import COMPONENTS, N8N
from recovery.config import Config
from recovery.config.load import DEFAULT_FILE

USUAL = "machine"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the options of `medic init` say; "" and () where they say nothing."""

    n8n_url: str
    n8n_api_key_file: str
    templates: tuple[str, ...]
    channel: str
    settings: tuple[str, ...]
    data_dir: str
    language: str | None = None


def show_templates() -> str:
    """The templates and what each is for, with the keys that `--set` takes."""
    lines = []
    for title, templates in (("--template", COMPONENTS), ("--channel", CHANNELS)):
        lines.append(f"{title}:")
        for template in templates:
            keys = [f"{slot.key}_file" if slot.kind == "secret" else slot.key for slot in template.slots]
            lines += [
                f"  {template.name:<15} {template.what}",
                f"                  --set: {', '.join(keys) or 'nothing'}",
            ]
    return "\n".join(lines)


def show_pieces(wish: Wish) -> str:
    """The pieces of the wished templates, to paste into a file that exists; examples where nothing is set."""
    chosen, channels = _chosen(wish)
    answers = Answers(
        Path(DEFAULT_FILE), Path("data/secrets"), read_given(wish.settings, chosen + channels), shows=True
    )
    texts = [("components:", [answers.fill(*one).text(2) for one in chosen])]
    texts.append(("alerts:\n  channels:", [answers.fill(*one).text(4) for one in channels]))
    return "\n\n".join(f"{head}\n" + "\n\n".join(pieces) for head, pieces in texts if pieces)


def set_up(wish: Wish, asks: bool, force: bool) -> None:
    """Ask, show, write and say what comes next.

    Raises:
        click.ClickException: what is wished makes no sense, or nothing could be written.
    """
    target = Path(os.environ.get("MEDIC_CONFIG") or DEFAULT_FILE).expanduser()
    target = target.resolve() if target.is_symlink() else target
    if target.exists() and not force:
        raise click.ClickException(refusal(target))
    folder = Path(wish.data_dir or os.environ.get("MEDIC_DATA_DIR") or "data").expanduser() / "secrets"
    answers = Answers(target, folder, asks=asks)
    text, heartbeats = _collect(wish, answers)
    click.echo(f"\n{target}:\n\n{text}")
    for path in answers.secrets:
        click.echo(f"{path} (mode 600) will hold what you gave.")
    if asks and not click.confirm("Write it?", default=True):
        raise click.ClickException("Nothing was written.")
    try:
        config, kept = write_checked(target, text, answers.secrets, force, os.environ)
    except CannotWrite as problem:
        raise click.ClickException(str(problem)) from None
    click.echo(f"{target} is written" + (f"; the old one is {kept}." if kept else "."))
    click.echo(_next_steps(config, heartbeats))


def _collect(wish: Wish, answers: Answers) -> tuple[str, list[str]]:
    """The text of the file, and the names of its heartbeats."""
    n8n = _n8n(wish, answers)
    chosen, channels = _chosen(wish)
    if answers.asks and not wish.templates:
        default = f"n8n {USUAL}" if n8n and n8n.values.get("api_key") else USUAL
        chosen = ask_which(
            "What is watched, with spaces between (kind, or kind=name)", COMPONENTS, default, "--template"
        )
    elif not wish.templates:
        chosen = choose([USUAL], COMPONENTS, "--template")
    if answers.asks and not wish.channel:
        channels = ask_which("How people are told", CHANNELS, NONE, "--channel")
    answers.given = read_given(wish.settings, chosen + channels)
    components = [answers.fill(*one) for one in chosen]
    told = [answers.fill(*one) for one in channels]
    language = wish.language
    if answers.asks and not language:
        language = click.prompt("\nLanguage of the messages", "en", type=click.Choice(["en", "ko"]))
    text = write_file(n8n, components, told, language or "en", wish.data_dir)
    return text, [piece.name for piece in components if piece.template.name == "heartbeat"]


def _chosen(wish: Wish) -> tuple[list[tuple[Template, str]], list[tuple[Template, str]]]:
    channels = [wish.channel] if wish.channel not in ("", NONE) else []
    return choose(wish.templates, COMPONENTS, "--template"), choose(channels, CHANNELS, "--channel")


def _n8n(wish: Wish, answers: Answers) -> Piece | None:
    """The n8n to look after; its key is left to the environment where that gives it."""
    url = wish.n8n_url
    known = os.environ.get("MEDIC_N8N_URL") or N8N.slots[0].default
    if not url:
        url = ask(f"n8n's address ({NONE}: no n8n)", known) if answers.asks else known
    if url == NONE:
        return None
    answers.given = {"n8n.url": url}
    if wish.n8n_api_key_file:
        answers.given["n8n.api_key_file"] = wish.n8n_api_key_file
    elif os.environ.get("MEDIC_N8N_API_KEY") or os.environ.get("MEDIC_N8N_API_KEY_FILE"):
        answers.given["n8n.api_key_file"] = ""
        click.echo("n8n's API key is taken from the environment, and must be there at each start.")
    return answers.fill(N8N, "n8n")


def _next_steps(config: Config, heartbeats: list[str]) -> str:
    steps = [f"{medic()} check-config: explains what the file means"]
    steps += [
        f"{medic()} run-check {shlex.quote(one.name)}: looks at it once, now"
        for one in config.components[:1]
        if one.check
    ]
    steps.append(f"{medic()} serve: starts it, and prints the page's password and the webhook token")
    if config.n8n:
        key = "" if config.n8n[0].api_key else "make an API key in n8n (Settings > n8n API), and give it to "
        steps.append(f"{key}{medic()} connect, in a second terminal: shows what it would change in n8n, and asks")
    address = f"{config.public_url}/webhooks/heartbeat"
    steps += [f"let {name} call {address}/{quote(name, safe='')} with the header X-Medic-Token" for name in heartbeats]
    return "\nWhat to do next:\n" + "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, 1))


@click.command(short_help="Make a first medic.yaml that works.")
@click.option("--n8n-url", default="", metavar="URL", help="n8n's address; none: no n8n.")
@click.option(
    "--n8n-api-key-file", default="", metavar="FILE", help="Holds n8n's API key; -: a line of standard input."
)
@click.option("--template", "templates", multiple=True, metavar="KIND[=NAME]", help="What is watched; repeatable.")
@click.option("--channel", default="", metavar="KIND[=NAME]", help="How people are told; none: only on the pages.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME.KEY=VALUE",
    help="Fills in a key of a template or channel; repeatable. A secret is given as KEY_file: a path, or -.",
)
@click.option("--language", type=click.Choice(["en", "ko"]), help="Of the messages.")
@click.option("--data-dir", default="", metavar="DIR", help="Where the database and the secrets go; default: ./data.")
@click.option("--yes", is_flag=True, help="Ask nothing: what is not given has its default.")
@click.option("--force", is_flag=True, help="Replace a file that exists, and keep a copy of it beside it.")
@click.option("--list-templates", is_flag=True, help="List the templates, the channels and their keys, and stop.")
@click.option("--print", "only_print", is_flag=True, help="Print the pieces of the templates, and write nothing.")
def init(yes: bool, force: bool, list_templates: bool, only_print: bool, **wished: str) -> None:
    """Make a first medic.yaml that works: asks a few questions, shows the file, checks it, and writes it.

    Secrets go into files of their own that only you can read, never into medic.yaml.

    \b
    Example:
      medic init
      medic init --yes --template postgresql --set postgresql.host=db.example.com
      medic init --print --template redis --template docker=browser
    """
    wish = Wish(**wished)  # type: ignore[arg-type]
    if list_templates:
        click.echo(show_templates())
    elif only_print:
        if not wish.templates and not wish.channel:
            raise click.UsageError("--print needs --template or --channel; --list-templates lists them")
        click.echo(show_pieces(wish))
    else:
        try:
            set_up(wish, not yes, force)
        except click.Abort:
            raise click.ClickException(given_up("Nothing was written.")) from None
