"""The terminal: what n8n-medic prints where its worker runs. For a first try, with nothing else set up."""

import sys

from pydantic import BaseModel, ConfigDict

from recovery.alerts import channel
from recovery.alerts.messages import Message
from recovery.alerts.messages.columns import WIDTH, in_columns
from recovery.model import Done, DoorError, Doors

FRAME = "-" * WIDTH


class Args(BaseModel):
    """Nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@channel("console")
def tell_console(args: Args, message: Message, doors: Doors) -> Done:
    """Prints the message to the worker's standard output."""
    try:
        print(f"\n{FRAME}\n{in_columns(message.text)}{FRAME}\n", flush=True)
    except (OSError, ValueError, AttributeError) as gone:
        raise DoorError(f"the standard output cannot be written to: {gone}", "network") from None
    return Done("printed" if sys.stdout.isatty() else "printed, to a standard output that is no terminal")
