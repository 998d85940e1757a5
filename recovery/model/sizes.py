"""Sizes of files and disks as people write them ("20%", "5GiB"), and as they are told."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

__all__ = ["FreeSpace", "wanted_bytes", "write_size"]

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s?(MiB|GiB|TiB|MB|GB|TB)")
_PERCENT = re.compile(r"(\d{1,2}(?:\.\d{1,3})?)\s?%")
_BYTES = {"MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "MB": 10**6, "GB": 10**9, "TB": 10**12}
HELP = 'write a part of the disk, such as "20%", or a size, such as "5GiB" (MiB, GiB, TiB, MB, GB, TB)'


def write_size(count: float) -> str:
    """So many bytes, in the unit that suits."""
    for unit in UNITS[:-1]:
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} {UNITS[-1]}"


def wanted_bytes(text: str, total: int) -> int:
    """How many bytes a `FreeSpace` means on a disk of `total` bytes.

    Raises:
        ValueError: it is none; the message says how to write one.
    """
    if found := _PERCENT.fullmatch(text.strip()):
        return round(total * float(found[1]) / 100)
    if found := _SIZE.fullmatch(text.strip()):
        return round(float(found[1]) * _BYTES[found[2]])
    raise ValueError(HELP)


def _check_free_space(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not wanted_bytes(text, 10**12):
        raise ValueError(f"it must be more than nothing; {HELP}")
    return text


FreeSpace = Annotated[
    str,
    BeforeValidator(_check_free_space),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^\s*({_PERCENT.pattern}|{_SIZE.pattern})\s*$",
            "description": HELP,
            "examples": ["20%", "5GiB"],
        }
    ),
]
"""How much of a disk should be free, as it was written; `wanted_bytes` reads it."""
