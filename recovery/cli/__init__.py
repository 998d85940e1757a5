"""The command line: `medic`, also `python -m recovery`."""

from recovery.cli.alerting import alerts, silence
from recovery.cli.commands import main

main.add_command(alerts)
main.add_command(silence)

__all__ = ["main"]
