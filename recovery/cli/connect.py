"""`medic connect`: wires an n8n to n8n-medic, and takes that back."""

import sys
from pathlib import Path
from typing import Any

import click


@click.command(short_help="Wire an n8n to n8n-medic, and prove that its failures arrive.")
@click.option("--url", default="", metavar="URL", help="n8n's address; default: as configured.")
@click.option("--api-key", default="", metavar="KEY", help="Others may see it in the process list: better a file.")
@click.option("--api-key-file", default="", metavar="FILE", help="Holds the API key; -: a line of standard input.")
@click.option("--name", default="default", show_default=True, help="Of the n8n here, where there are several.")
@click.option("--address", default="", metavar="URL", help="Where n8n reaches n8n-medic; default: public_url.")
@click.option(
    "--workflows",
    default="",
    metavar="A,B",
    help="Which of n8n_workflows/; default: as before, else those without risk.",
)
@click.option("--all", "everything", is_flag=True, help="All workflows that name no error workflow; the default.")
@click.option("--only", multiple=True, metavar="ID|NAME", help="These workflows alone get it; repeatable.")
@click.option("--tag", "tagged", multiple=True, metavar="TAG", help="Those with this tag alone; repeatable.")
@click.option("--replace", is_flag=True, help="Replace error workflows that are set already.")
@click.option("--reinstall", is_flag=True, help="Replace workflows of ours that you have changed.")
@click.option("--renew", is_flag=True, help="Write the tokens into n8n anew.")
@click.option("--begin-dry-run/--begin-live", default=None, help="Whether n8n-medic begins by only watching.")
@click.option("--files", type=click.Path(path_type=Path), help="Where the shipped workflows are.")
@click.option("--no-config", is_flag=True, help="Leave medic.yaml alone; print what belongs there.")
@click.option("--dry-run", is_flag=True, help="Show what would be changed, and change nothing.")
@click.option("--undo", "undoes", is_flag=True, help="Take back what was changed from here.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def connect(**options: Any) -> None:
    """Wire an n8n to n8n-medic: credential, error handler, error workflows, tags; then prove that failures arrive.

    Shows what would be changed and asks. A draft of yours is never published, an error workflow of your own never
    replaced (unless you say --replace). A second run changes nothing; --undo takes everything back. The API key needs
    a terminal to be typed on, a file, standard input, or MEDIC_N8N_API_KEY.

    \b
    Example:
      medic connect --url http://127.0.0.1:5678
      medic connect --dry-run
      medic connect --undo
    """
    from recovery.cli.connect_run import run_connect

    sys.exit(run_connect(**options))
