"""The action that frees a disk, on real file systems with hostile neighbours; `recovery.actions.free_disk`."""

import gzip
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, DoorError, Failed, NotNeeded
from recovery.model.sizes import wanted_bytes
from recovery.outside import files as files_module
from recovery.outside.files import Files

PLUGIN = REGISTRY.find("free_disk")
DAY = 86_400.0
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


class Doors:
    files = Files()


def run(folder, doors=Doors, **args):
    given = {"folders": [str(folder)], "names": ["*.log"], "keep_free": None, **args}
    return PLUGIN.run(PLUGIN.args.model_validate(given), doors, About("disk", utc_now()))


def preview(folder, **args):
    given = {"folders": [str(folder)], "names": ["*.log"], "keep_free": None, **args}
    return PLUGIN.preview(PLUGIN.args.model_validate(given), Doors, About("disk", utc_now()))


def old(path: Path, days: float = 3.0, content: bytes = b"x" * 5_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def tree(folder: Path) -> dict[str, bytes | str]:
    """All that is there, whatever it is."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        plain = path.is_file() and not path.is_symlink()
        found[name] = path.read_bytes() if plain else f"{path.lstat().st_mode:o}"
    return found


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "logs"
    place.mkdir()
    return place


def test_old_files_of_the_names_go_and_all_else_stays(folder):
    gone = [old(folder / "a.log"), old(folder / "below" / "deeper" / "b.log")]
    stay = [old(folder / "c.txt"), old(folder / ".hidden.log"), old(folder / "new.log", days=0.5)]
    answer = run(folder)
    assert answer == Done(f"deleted 2 files in {folder}, which freed 16 KiB"), answer
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in stay)
    assert (folder / "below" / "deeper").is_dir()
    assert isinstance(run(folder, names=[".*.log"]), Done)
    assert not stay[1].exists()


def test_folders_below_are_left_alone_where_it_is_not_to_go_deep(folder):
    old(folder / "a.log")
    deep = old(folder / "below" / "b.log")
    assert isinstance(run(folder, deep=False), Done)
    assert deep.exists()


def test_nothing_to_do_is_said(folder):
    old(folder / "a.log", days=0.5)
    assert run(folder) == NotNeeded("no file of these names is older than 1d")
    old(folder / "b.log")
    answer = run(folder, keep_free="1MiB")
    assert isinstance(answer, NotNeeded)
    assert answer.why.endswith("is free already, 1MiB is enough")
    assert (folder / "b.log").exists()


def test_a_goal_that_nothing_reaches_is_a_failure(folder):
    assert isinstance(run(folder, keep_free="99%"), Failed)
    old(folder / "a.log")
    answer = run(folder, keep_free="99%")
    assert isinstance(answer, Failed)
    assert not answer.permanent
    assert "deleted 1 file" in answer.why
    assert answer.why.endswith("and it was to be 99%")


def test_a_dry_run_names_the_very_files_and_changes_nothing(folder):
    old(folder / "a.log", days=2)
    old(folder / "b.log", days=9)
    before = tree(folder)
    told = preview(folder)
    assert told == f"delete 2 files (16 KiB), oldest first: {folder}/b.log, {folder}/a.log"
    assert preview(folder, how="gzip").startswith(f"pack with gzip 2 files (16 KiB), oldest first: {folder}/b.log")
    assert "until 99% is free; now " in preview(folder, keep_free="99%")
    assert preview(folder, keep_free="1MiB").startswith("delete nothing: ")
    assert preview(folder, names=["*.dump"]) == "delete nothing: no file of these names is older than 1d"
    assert tree(folder) == before


def test_only_so_many_go_and_the_oldest_first(folder):
    for day in range(2, 8):
        old(folder / f"{day}.log", days=day)
    assert isinstance(run(folder, most=2), Done)
    assert sorted(tree(folder)) == ["2.log", "3.log", "4.log", "5.log"]


def test_what_a_process_has_open_stays(folder):
    with old(folder / "open.log").open("rb"):
        old(folder / "a.log")
        assert "1 left alone: open in a process" in preview(folder)
        assert isinstance(run(folder), Done)
        assert list(tree(folder)) == ["open.log"]
        assert run(folder) == NotNeeded("no file of these names is older than 1d; 1 left alone: open in a process")
    assert isinstance(run(folder), Done)


def test_no_link_is_followed_out_of_the_folder(folder, tmp_path):
    victim = old(tmp_path / "victim" / "precious.log")
    (folder / "file.log").symlink_to(victim)
    (folder / "below").symlink_to(victim.parent)
    (folder / "loop").symlink_to(folder)
    os.utime(folder / "file.log", (0, 0), follow_symlinks=False)
    os.mkfifo(folder / "pipe.log")
    os.utime(folder / "pipe.log", (0, 0))
    (folder / "a folder.log").mkdir()
    os.utime(folder / "a folder.log", (0, 0))
    before = tree(folder)
    for how in ("delete", "gzip"):
        answer = run(folder, how=how)
        assert isinstance(answer, NotNeeded), answer
        assert "1 left alone: a link" in answer.why
        assert "1 left alone: no plain file" in answer.why
    assert tree(folder) == before
    assert victim.exists()


def test_a_folder_that_is_reached_by_a_link_is_refused(folder, tmp_path):
    kept = old(folder / "a.log")
    (tmp_path / "other").symlink_to(folder)
    for path in (tmp_path / "other", tmp_path / "other" / "below"):
        answer = run(path)
        assert answer == Failed(f"{tmp_path}/other is a link or no folder: name the folder itself", permanent=True)
    assert run(kept).why == f"{kept} is a link or no folder: name the folder itself"
    assert run(tmp_path / "gone") == Failed(f"{tmp_path}/gone: No such file or directory", permanent=True)
    assert kept.exists()


class Meddling(Files):
    """A door at which something happens between the look and the deed."""

    def __init__(self, meddle):
        super().__init__()
        self._meddle = meddle

    def clear(self, *args, **more):
        self._meddle()
        return super().clear(*args, **more)


def meddled(folder, meddle, **args):
    class Between:
        files = Meddling(meddle)

    return run(folder, doors=Between, **args)


@pytest.mark.parametrize("how", ["delete", "gzip"])
def test_a_folder_below_that_becomes_a_link_between_look_and_deed_leads_nowhere(folder, tmp_path, how):
    old(folder / "below" / "a.log")
    victim = old(tmp_path / "victim" / "a.log")

    def swap():
        (folder / "below").rename(tmp_path / "away")
        (folder / "below").symlink_to(victim.parent)

    answer = meddled(folder, swap, how=how)
    assert isinstance(answer, Failed), answer
    assert "1 left alone: a link" in answer.why
    assert list(tree(victim.parent)) == ["a.log"]


@pytest.mark.parametrize("how", ["delete", "gzip"])
def test_the_folder_itself_that_becomes_a_link_between_look_and_deed_leads_nowhere(folder, tmp_path, how):
    old(folder / "a.log")
    victim = old(tmp_path / "victim" / "a.log")

    def swap():
        folder.rename(tmp_path / "away")
        folder.symlink_to(victim.parent)

    answer = meddled(folder, swap, how=how)
    assert answer == Failed(f"{folder} is a link or no folder: name the folder itself", permanent=True)
    assert list(tree(victim.parent)) == ["a.log"]


@pytest.mark.parametrize("how", ["delete", "gzip"])
def test_a_file_that_becomes_another_or_a_link_between_look_and_deed_stays(folder, tmp_path, how):
    path, victim = old(folder / "a.log"), old(tmp_path / "victim.log")

    def rewrite():
        path.write_bytes(b"fresh words")

    def other():
        old(folder / "b.tmp").rename(path)

    def link():
        path.unlink()
        path.symlink_to(victim)

    for meddle in (rewrite, other, link):
        answer = meddled(folder, meddle, how=how)
        assert isinstance(answer, Failed), answer
        assert "1 left alone: " in answer.why
        assert list(tree(folder)) == ["a.log"]
        assert victim.exists()
        path.unlink()
        old(path)
    assert isinstance(meddled(folder, path.unlink, how=how), Failed)


def test_a_storm_of_swaps_never_touches_what_is_outside(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(files_module, "_held", lambda files: set())  # it takes longer than a swap
    victim = old(tmp_path / "victim" / "a.log")
    over, dice = threading.Event(), random.Random(7)

    def storm():
        below, away = folder / "below", tmp_path / "away"
        while not over.is_set():
            old(below / "a.log")
            time.sleep(dice.uniform(0, 0.06))
            below.rename(away)
            below.symlink_to(victim.parent)
            time.sleep(dice.uniform(0, 0.01))
            below.unlink()
            away.rename(below)

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        end, done, tries = time.monotonic() + 2, 0, 0
        while time.monotonic() < end:
            tries += 1
            done += isinstance(run(folder), Done)
            assert victim.exists()
    finally:
        over.set()
        thread.join()
    assert done > 0
    assert tries > done + 5


def test_names_that_are_no_text_do_no_harm(folder):
    for name in (b"\xff\xfe.log", b"two\nlines.log", "\u202egol.log".encode(), b"-rf $(reboot);.log"):
        path = folder / os.fsdecode(name)
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    told = preview(folder)
    assert told.isprintable()
    told.encode()
    answer = run(folder)
    assert "deleted 4 files" in answer.detail
    answer.detail.encode()


def test_a_tree_too_deep_ends_nowhere(folder):
    here = folder
    for _ in range(60):
        here = here / "d"
    old(here / "a.log")
    answer = run(folder)
    assert answer == NotNeeded("no file of these names is older than 1d; 1 left alone: too deep")


def test_of_two_folders_one_may_lie_in_the_other(folder):
    old(folder / "below" / "a.log")
    answer = run(folder, folders=[str(folder), str(folder / "below")])
    assert "deleted 1 file in" in answer.detail
    assert "left alone" not in answer.detail


def test_packing_keeps_all_that_a_file_has(folder):
    path = old(folder / "a.log", content=b"line of words\n" * 20_000)
    path.chmod(0o640)
    before = path.stat()
    answer = run(folder, how="gzip")
    assert isinstance(answer, Done), answer
    assert "packed 1 file" in answer.detail
    assert list(tree(folder)) == ["a.log.gz"]
    packed = (folder / "a.log.gz").stat()
    assert gzip.decompress((folder / "a.log.gz").read_bytes()) == b"line of words\n" * 20_000
    assert (packed.st_mtime_ns, packed.st_mode, packed.st_uid) == (before.st_mtime_ns, before.st_mode, before.st_uid)
    assert isinstance(run(folder, how="gzip", names=["*"]), NotNeeded)


def test_a_packed_file_takes_no_name_that_is_taken(folder, tmp_path):
    old(folder / "a.log")
    (folder / "a.log.gz").write_bytes(b"mine")
    answer = run(folder, how="gzip")
    assert isinstance(answer, Failed)
    assert "1 left alone: a file with .gz after its name is there" in answer.why
    assert tree(folder) == {"a.log": b"x" * 5_000, "a.log.gz": b"mine"}
    (folder / "a.log.gz").unlink()
    (folder / "a.log.gz").symlink_to(tmp_path / "elsewhere")
    (folder / ".a.log.medic-part").symlink_to(tmp_path / "elsewhere")
    assert isinstance(run(folder, how="gzip"), Failed)
    assert not (tmp_path / "elsewhere").exists()
    assert (folder / "a.log").exists()


def test_a_file_with_another_name_is_not_packed(folder, tmp_path):
    os.link(old(tmp_path / "secret"), folder / "a.log")
    answer = run(folder, how="gzip")
    assert "1 left alone: it has another name too" in answer.why
    assert list(tree(folder)) == ["a.log"]
    assert "freed 0 B" in run(folder).detail
    assert (tmp_path / "secret").exists()


def test_a_file_that_is_written_to_while_it_is_packed_stays_whole(folder, monkeypatch):
    from recovery.outside import packing

    path = old(folder / "a.log")
    name_it, write_it = packing._name, packing._write

    def write_after_naming(*args):
        named = name_it(*args)
        path.write_bytes(b"fresh")
        return named

    def write_before_naming(*args):
        write_it(*args)
        path.write_bytes(b"fresh")

    for what, instead in (("_name", write_after_naming), ("_write", write_before_naming)):
        old(path)
        with monkeypatch.context() as patch:
            patch.setattr(packing, what, instead)
            answer = run(folder, how="gzip")
        assert "1 left alone: changed meanwhile" in answer.why
        assert tree(folder) == {"a.log": b"fresh"}


KILLED = """
import sys
from datetime import UTC, datetime
from recovery.actions import REGISTRY
from recovery.model import About
from recovery.outside.files import Files
class Doors:
    files = Files()
plugin = REGISTRY.find("free_disk")
args = plugin.args(folders=[sys.argv[1]], names=["*.log"], how="gzip", keep_free=None)
plugin.run(args, Doors, About("disk", datetime.now(UTC)))
"""


def test_a_worker_killed_while_it_packs_loses_nothing_and_the_next_run_finishes(folder):
    content = os.urandom(20_000_000)
    old(folder / "a.log", content=content)
    half = folder / ".a.log.medic-part"
    worker = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], cwd=Path(__file__).parents[2])
    try:
        end = time.monotonic() + 60
        while not (half.exists() and half.stat().st_size > 1_000_000):
            assert time.monotonic() < end
            assert worker.poll() is None
            time.sleep(0.005)
        os.kill(worker.pid, signal.SIGKILL)
    finally:
        worker.kill()
        worker.wait()
    assert half.exists()
    assert (folder / "a.log").read_bytes() == content
    assert isinstance(run(folder, how="gzip"), Done)
    assert list(tree(folder)) == ["a.log.gz"]
    assert gzip.decompress((folder / "a.log.gz").read_bytes()) == content


def test_a_worker_killed_after_it_named_the_copy_leaves_no_two(folder):
    old(folder / "a.log")
    (folder / "a.log.gz").write_bytes(gzip.compress(b"x" * 5_000))
    assert isinstance(run(folder, how="gzip"), Done)
    assert list(tree(folder)) == ["a.log.gz"]


def test_a_deadline_leaves_the_rest_for_another_time(folder, monkeypatch):
    for number in range(20):
        old(folder / f"{number}.log")
    remove = files_module._remove

    def slowly(*args):
        time.sleep(0.1)
        return remove(*args)

    monkeypatch.setattr(files_module, "_remove", slowly)
    answer = run(folder, timeout="450ms")
    assert isinstance(answer, Failed)
    assert "the time for it was over" in answer.why
    assert 1 <= 20 - len(tree(folder)) < 10


def test_a_deadline_while_packing_leaves_nothing_half_done(folder):
    old(folder / "a.log", content=os.urandom(30_000_000))
    answer = run(folder, how="gzip", timeout="300ms")
    assert "the time for it was over" in answer.why
    assert list(tree(folder)) == ["a.log"]


def test_a_disk_that_hangs_is_given_up(folder, monkeypatch):
    stuck = threading.Event()
    monkeypatch.setattr(files_module.os, "scandir", lambda _: stuck.wait(20))
    begin = time.monotonic()
    try:
        answer = run(folder, timeout="300ms")
    finally:
        stuck.set()
    assert answer == Failed(f"no answer from the files in {folder} within 0.3 s")
    assert time.monotonic() - begin < 3


@contextmanager
def mounted(place: Path, *words: str):
    made = subprocess.run(["mount", *words, str(place)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"nothing can be mounted here: {made.stderr!r}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@ROOT
def test_a_disk_that_is_really_full_is_freed_as_far_as_asked_and_no_further(folder):
    with mounted(folder, "-t", "tmpfs", "-o", "size=8m", "none"):
        for number in range(7):
            old(folder / f"{number}.log", days=20 - number, content=os.urandom(2**20))
        with pytest.raises(OSError, match="No space left"):
            (folder / "rest").write_bytes(os.urandom(2**21))
        packed = run(folder, how="gzip", keep_free="30%")
        assert isinstance(packed, Failed)
        assert "7 left alone: no space left on device" in packed.why
        assert not list(folder.glob(".*"))
        told = preview(folder, keep_free="30%")
        assert told.startswith(f"delete 3 files (3 MiB), oldest first: {folder}/0.log, {folder}/1.log, {folder}/2.log,")
        assert "until 30% is free; now 0.0 % (0 B) of the disk of" in told
        answer = run(folder, keep_free="30%")
        assert isinstance(answer, Done), answer
        assert "37.5 % (3 MiB) of the disk" in answer.detail
        assert sorted(tree(folder)) == ["3.log", "4.log", "5.log", "6.log", "rest"]
        assert isinstance(run(folder, keep_free="30%"), NotNeeded)


@ROOT
def test_what_is_mounted_inside_is_never_entered_even_of_the_same_disk(folder, tmp_path):
    victim = old(tmp_path / "victim" / "a.log")
    inside = folder / "below"
    inside.mkdir()
    for words in (("--bind", str(victim.parent)), ("-t", "tmpfs", "none")):
        with mounted(inside, *words):
            kept = old(inside / "b.log")
            answer = run(folder)
            assert answer == NotNeeded("no file of these names is older than 1d; 1 left alone: on another mount")
            assert kept.exists()
    assert victim.exists()
    old(inside / "a.log")
    with mounted(folder / "below" / "a.log", "--bind", str(victim)):
        assert isinstance(run(folder), Failed)
    assert victim.exists()


@ROOT
def test_a_folder_of_the_system_under_another_name_is_refused(folder):
    with mounted(folder, "--bind", "/etc"):
        answer = run(folder, names=["no such name"])
        assert answer == Failed(f"{folder} belongs to the system: nothing in it is cleared away", permanent=True)
        assert run(folder / "ssl").permanent
    with mounted(folder, "--bind", "/root"):
        assert run(folder, names=["no such name"]).why == f"{folder} holds too much: name a folder in it"


BAD_FOLDERS = """/ // /etc /etc/ /etc/nginx /usr /usr/local/cache /home /home/ann /root /var /var/lib /proc/1 /sys
/dev/shm /boot relative ./here ~/logs /~/x /var/log/../../etc /var/./log /var/log/* /var/$HOME /var/{a,b}""".split()


@pytest.mark.parametrize("path", [*BAD_FOLDERS, "", "/var/log/\0", "/var/log/a\nb", 5, None])
def test_a_folder_that_must_not_be_cleared_is_refused(path):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate({"folders": [path], "names": ["*.log"]})


def test_folders_of_applications_are_taken():
    for path in ("/var/log", "/srv/orders/logs/", "/tmp", "/data", "/home/ann/logs", "/root/dumps"):
        assert PLUGIN.args(folders=[path], names=["*"]).folders == [path.rstrip("/")]


@pytest.mark.parametrize(
    "given",
    [
        {"names": ["../*"]},
        {"names": ["/etc/passwd"]},
        {"names": ["a/b"]},
        {"names": [".."]},
        {"names": [""]},
        {"names": []},
        {"names": ["a\0"]},
        {"folders": []},
        {"keep_free": "0%"},
        {"keep_free": "100%"},
        {"keep_free": "-5GiB"},
        {"keep_free": "lots"},
        {"keep_free": 20},
        {"how": "shred"},
        {"older_than": "0s"},
        {"most": 0},
        {"most": True},
        {"timeout": "0s"},
    ],
    ids=str,
)
def test_hostile_arguments_are_refused(given):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate({"folders": ["/var/log/orders"], "names": ["*.log"], **given})


def test_values_of_the_incident_become_no_path(folder):
    old(folder / "{{component}}.log")
    args = PLUGIN.args(folders=[str(folder)], names=["{{component}}.log"], keep_free=None)
    answer = PLUGIN.run(args, Doors, About("../../etc/passwd", utc_now()))
    assert isinstance(answer, Done)


def test_space_is_read_as_it_is_written():
    assert wanted_bytes("20%", 1_000) == 200
    assert wanted_bytes("1.5 GiB", 1) == 3 * 2**29
    assert wanted_bytes("5GB", 1) == 5 * 10**9


def test_the_home_of_whoever_runs_it_is_refused(monkeypatch, folder):
    from recovery.outside import folders

    monkeypatch.setattr(folders, "_homes", lambda: [str(folder)])
    old(folder / "a.log")
    with pytest.raises(DoorError, match="holds too much"):
        folders.OpenFolder(str(folder))
    assert run(folder).permanent
