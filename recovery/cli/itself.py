"""How a person calls this program from where they are."""

import os
import shutil
import sys
from pathlib import Path


def medic() -> str:
    """`medic` where the shell finds it; else where it lies beside this Python, as after `make run`."""
    if shutil.which("medic"):
        return "medic"
    beside = Path(sys.executable).with_name("medic")
    if not beside.exists():
        return f"{sys.executable} -m recovery"
    nearer = os.path.relpath(beside)
    return str(beside) if nearer.startswith("..") else nearer
