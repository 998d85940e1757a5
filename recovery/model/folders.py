"""Folders whose files an action may clear away, and the names of those files, as the configuration gives them."""

from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

__all__ = ["FileName", "Folder", "SYSTEM_FOLDERS", "WHOLE_FOLDERS"]

SYSTEM_FOLDERS = (
    "/bin /boot /dev /etc /lib /lib32 /lib64 /libx32 /proc /sbin /sys /usr /System /Library /Applications".split()
)
"""Folders of the system: nothing in them is ever cleared away."""

WHOLE_FOLDERS = (
    "/ /home /root /Users /media /mnt /opt /private /run /srv /var /var/lib /var/run /var/spool /var/lib/docker"
    " /var/lib/mysql /var/lib/postgresql /var/lib/redis".split()
)
"""Folders of too much: only what lies deeper may be named. Home folders are refused in the same way."""

_HOMES = ("/home", "/Users")


def _check_folder(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    if not text.startswith("/") or any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise ValueError("write the absolute path of a folder, such as /var/log/orders")
    if any(part in (".", "..", "~") for part in text.split("/")) or any(sign in text for sign in "*?{}$"):
        raise ValueError("write the path out: no `.` or `..`, `~`, `*` or variable in it")
    path = PurePosixPath("/" + text.strip("/"))
    if str(path) in WHOLE_FOLDERS or str(path.parent) in _HOMES:
        raise ValueError(f"{path} holds too much: name the folder in it whose files may go")
    if any(path == PurePosixPath(one) or PurePosixPath(one) in path.parents for one in SYSTEM_FOLDERS):
        raise ValueError(f"{path} belongs to the system: nothing in it is ever cleared away")
    return str(path)


def _check_name(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    if not text or "/" in text or text in (".", "..") or any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise ValueError("write a name or a pattern of names, such as *.log, without a folder")
    return text


_LENGTH = Field(min_length=1, max_length=4_000)
Folder = Annotated[str, BeforeValidator(_check_folder), _LENGTH, WithJsonSchema({"type": "string", "pattern": "^/."})]
"""A pydantic field type: the absolute path of a folder of an application; the system's and whole homes are refused."""

FileName = Annotated[str, BeforeValidator(_check_name), Field(min_length=1, max_length=255)]
"""A pydantic field type: a pattern of a file's name (`*`, `?`, `[...]`), never of its folder."""
