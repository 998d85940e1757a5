"""The command line: `medic`, also `python -m recovery`."""

from recovery.cli.commands import main

__all__ = ["main"]
