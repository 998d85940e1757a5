"""A disk that is full of old files, such as logs and dumps."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from recovery.actions import action
from recovery.actions.clearing import Folders, MostFiles, Names, expected, find_files, told, told_files, told_left
from recovery.model import About, ClearedFiles, Done, DoorError, Doors, Failed, FoundFiles, NotNeeded, Result, Room
from recovery.model.durations import Period, Timeout, write_duration
from recovery.model.sizes import FreeSpace, wanted_bytes, write_size

DID = {"delete": "deleted", "gzip": "packed"}


class Args(BaseModel):
    """Which files may go, and until when."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    folders: Annotated[Folders, Field(min_length=1)] = Field(
        description="absolute paths of the folders, without a link in them; nothing outside is touched",
        examples=[["/var/log/orders"]],
    )
    names: Annotated[Names, Field(min_length=1)] = Field(
        description="patterns of the files' names", examples=[["*.log.*", "*.dump"]]
    )
    older_than: Period = Field(86_400.0, description="only files that were last written to longer ago", examples=["7d"])
    how: Literal["delete", "gzip"] = Field("delete", description="`delete`, or `gzip`: pack each into `<name>.gz`")
    keep_free: FreeSpace | None = Field(
        "20%", description="stop once so much of the disk is free; `null`: all files that fit", examples=["5GiB"]
    )
    deep: StrictBool = Field(True, description="in the folders below as well")
    most: MostFiles = Field(10_000, description="how many files at once at most")
    timeout: Timeout = Field(60.0, description="how long each of looking and clearing may take")


def preview(args: Args, doors: Doors, about: About) -> str:
    """The files that it would take."""
    found = _found(args, doors, about)
    owed = _owed(args, found)
    chosen, verb = expected(found, owed), "delete" if args.how == "delete" else "pack with gzip"
    if not chosen:
        return f"{verb} nothing: {_nothing(args, found, owed)}"
    if args.how == "gzip":
        chosen, upto = list(found.files), "" if owed is None else "up to "
        return "; ".join([f"{verb} {upto}{told_files(chosen)}{_until(args, found)}", *told_left(found.left)])
    return "; ".join([f"{verb} {told_files(chosen)}{_until(args, found)}", *told_left(found.left)])


def _found(args: Args, doors: Doors, about: About) -> FoundFiles:
    more = {"deep": args.deep, "packed": args.how == "delete", "most": args.most, "timeout": args.timeout}
    return find_files(doors, about, args.folders, args.names, args.older_than, **more)


def _owed(args: Args, found: FoundFiles) -> dict[int, int] | None:
    """By device, the bytes that are missing there."""
    if args.keep_free is None:
        return None
    return {device: max(0, _wanted(args.keep_free, room) - room.free) for device, room in found.rooms.items()}


def _wanted(keep_free: str, room: Room) -> int:
    return wanted_bytes(keep_free, room.used + room.free)


@action("free_disk", safe_to_repeat=True, preview=preview)
def free_disk(args: Args, doors: Doors, about: About) -> Result:
    """Deletes old files, or packs them with gzip, the oldest first, until enough of their disk is free.

    Only plain files of the `names`, last written to longer ago than `older_than`, inside the `folders`. A pattern
    means hidden files only where it begins with a dot. It never follows a link, never enters what is mounted inside a
    folder, never removes a folder, and leaves alone what a process has open, as far as its user may see that: deleting
    it would free nothing. What changes between its look and its deed stays. Folders of the system, `/`, `/home` and
    whole home folders are refused. The user of the worker needs the right to write to the folders.

    Each disk has its own goal: `keep_free` is a part of it, as `df` counts, or a size. Where all that fits has gone
    and the goal is not reached, it has failed. A packed file keeps its owner, rights and times; the disk needs room
    for the one that is being packed.

    It is safe to repeat: what has gone is gone, and a second run begins with what is still missing. A copy that a
    killed run left half written (`.<name>.medic-part`) is written anew, and the file itself goes only after its whole
    copy is on the disk.
    """
    try:
        found = _found(args, doors, about)
        owed = _owed(args, found)
        if owed is not None and not any(owed.values()):
            return NotNeeded(_nothing(args, found, owed))
        if not found.files:
            words = _nothing(args, found, owed)
            return NotNeeded(words) if owed is None else Failed(words)
        cleared = doors.files.clear(found, args.how == "gzip", owed, args.timeout)
    except DoorError as problem:
        return Failed(str(problem), problem.permanent)
    return _became(args, found, owed, cleared)


def _became(args: Args, found: FoundFiles, owed: Mapping[int, int] | None, cleared: ClearedFiles) -> Result:
    words = told(DID[args.how], cleared, args.folders)
    if args.keep_free is None:
        return Failed(words) if cleared.problem or not cleared.count else Done(words)
    words += f"; {_free_now(found, cleared.rooms)}"
    freed, rooms = cleared.freed, cleared.rooms
    if any(freed.get(one, 0) < much and _short(args.keep_free, rooms[one]) for one, much in (owed or {}).items()):
        return Failed(f"{words}, and it was to be {args.keep_free}")
    return Done(words) if cleared.count else Failed(words)


def _short(keep_free: str, room: Room) -> bool:
    return room.free < _wanted(keep_free, room)


def _free_now(found: FoundFiles, rooms: Mapping[int, Room]) -> str:
    return ", ".join(f"{_free(room)} of the disk of {found.places[device]} is free" for device, room in rooms.items())


def _free(room: Room) -> str:
    return f"{room.free * 100 / max(1, room.used + room.free):.1f} % ({write_size(room.free)})"


def _until(args: Args, found: FoundFiles) -> str:
    return f", until {args.keep_free} is free; now {_free_now(found, found.rooms)}" if args.keep_free else ""


def _nothing(args: Args, found: FoundFiles, owed: Mapping[int, int] | None) -> str:
    if owed is not None and not any(owed.values()):
        return f"{_free_now(found, found.rooms)} already, {args.keep_free} is enough"
    words = [f"no file of these names is older than {write_duration(args.older_than)}", *told_left(found.left)]
    return "; ".join(words + ([f"{_free_now(found, found.rooms)}"] if args.keep_free else []))
