"""The action that clears a cache, with a real Redis and real files; `recovery.actions.clear_cache`."""

import os
import socket
import time

import pytest
import redis
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, Failed, NotNeeded
from recovery.outside import caches
from recovery.outside.caches import Caches
from recovery.outside.files import Files
from tests.plugins.databases import redis_server
from tests.plugins.servers import answer, free_port, raw_server, reset

PLUGIN = REGISTRY.find("clear_cache")
ABOUT = About("cache", utc_now())


class Doors:
    caches = Caches()
    files = Files()


@pytest.fixture(scope="module")
def server():
    with redis_server() as found:
        yield found


@pytest.fixture
def store(server):
    with redis.Redis(port=server.port) as client:
        client.flushall()
        yield client


def args(server, **more):
    return PLUGIN.args.model_validate({"cache": "redis", "port": server.port, **more})


def run(server, **more):
    return PLUGIN.run(args(server, **more), Doors, ABOUT)


def preview(server, **more):
    return PLUGIN.preview(args(server, **more), Doors, ABOUT)


def fill(store, *, of="cache", count=2_000):
    store.mset({f"{of}:{number}": number for number in range(count)})


def test_keys_that_fit_go_and_all_others_stay(server, store):
    fill(store)
    fill(store, of="session", count=10)
    where = f"database 0 of Redis at 127.0.0.1:{server.port}"
    assert preview(server, pattern="cache:*") == f"remove 2000 of 2010 keys in {where}, those like 'cache:*'"
    assert store.dbsize() == 2_010
    assert run(server, pattern="cache:*") == Done(f"removed 2000 keys from {where}")
    assert store.dbsize() == 10
    assert run(server, pattern="cache:*") == NotNeeded(f"there are no such keys in {where}")
    assert run(server, pattern="session:[13]").detail.startswith("removed 2 keys")


def test_only_so_many_keys_go_at_once(server, store):
    fill(store)
    assert "remove 700 of 2000 keys" in preview(server, pattern="cache:*", most=700)
    answer = run(server, pattern="cache:*", most=700)
    assert isinstance(answer, Done)
    assert answer.detail.startswith("removed 700 keys")
    assert answer.detail.endswith("others that fit stay, as it was to be at most 700")
    assert store.dbsize() == 1_300
    assert run(server, pattern="cache:*", most=1_300).detail.startswith("removed 1300 keys")


def test_the_server_is_never_blocked_by_one_command_for_all_keys(server, store):
    fill(store)
    store.config_resetstat()
    run(server, pattern="cache:*")
    used = store.info("commandstats")
    assert used["cmdstat_scan"]["calls"] > 1
    assert used["cmdstat_unlink"]["calls"] > 1
    assert not {"cmdstat_keys", "cmdstat_del", "cmdstat_flushdb", "cmdstat_flushall"} & set(used)


def test_a_whole_database_is_emptied_only_where_asked_for_and_no_other(server, store):
    with redis.Redis(port=server.port, db=3) as third:
        fill(third, count=50)
        fill(store, count=5)
        told = preview(server, database="3", whole_database=True)
        assert told == f"empty database 3 of Redis at 127.0.0.1:{server.port} with FLUSHDB ASYNC: 50 keys"
        assert preview(server, database="3", whole_database=True, most=49).endswith("as there are more than 49")
        too_many = run(server, database="3", whole_database=True, most=49)
        assert isinstance(too_many, Failed)
        assert too_many.permanent
        assert too_many.why.endswith("holds 50 keys, more than 49")
        assert third.dbsize() == 50
        assert isinstance(run(server, database="3", whole_database=True), Done)
        assert third.dbsize() == 0
        assert isinstance(run(server, database="3", whole_database=True), NotNeeded)
    assert store.dbsize() == 5


def test_the_queue_of_n8n_is_never_touched(server, store):
    fill(store, of="bull:jobs", count=20)
    store.set("bull:jobs:id", 7)
    store.set("nobull:1", 1)
    answer = run(server, database="0", whole_database=True)
    assert isinstance(answer, Failed)
    assert answer.permanent
    assert answer.why.endswith("holds n8n's queue: it is not emptied")
    assert run(server, pattern="*bull:*").detail.startswith("removed 1 keys")
    assert "remove 0 of 21" in preview(server, pattern="bull:*")
    assert store.dbsize() == 21


def test_keys_that_are_no_text_go_too(server, store):
    store.set(b"cache:\xff\x00\n", 1)
    assert run(server, pattern="cache:*").detail.startswith("removed 1 keys")


def test_a_second_run_after_a_half_one_finishes(server, store, monkeypatch):
    """As after a crash: some batches went, the rest goes now."""
    fill(store)
    remove = caches._matching

    def breaks(client, pattern):
        yield next(remove(client, pattern))
        raise ConnectionResetError("gone in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(caches, "_matching", breaks)
        answer = run(server, pattern="cache:*")
    assert isinstance(answer, Failed)
    assert not answer.permanent
    assert "removed " in answer.why
    assert "gone in the middle" in answer.why
    assert 0 < store.dbsize() < 2_000
    assert isinstance(run(server, pattern="cache:*"), Done)
    assert store.dbsize() == 0


def test_a_deadline_tells_what_went(server, store, monkeypatch):
    fill(store)
    batches = caches._matching

    def slowly(client, pattern):
        for keys in batches(client, pattern):
            time.sleep(0.2)
            yield keys

    monkeypatch.setattr(caches, "_matching", slowly)
    answer = run(server, pattern="cache:*", timeout="300ms")
    assert isinstance(answer, Failed)
    assert answer.why.startswith("removed ")
    assert answer.why.endswith("within 0.3 s")
    assert 0 < store.dbsize() < 2_000


def test_a_server_that_is_silent_gone_or_something_else_is_a_failure():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        answer_ = PLUGIN.run(
            PLUGIN.args(cache="redis", port=silent.getsockname()[1], pattern="a*", timeout=0.3), Doors, ABOUT
        )
        assert "within 0.3 s" in answer_.why
        assert time.monotonic() - begin < 3
    gone = PLUGIN.run(PLUGIN.args(cache="redis", port=free_port(), pattern="a*"), Doors, ABOUT)
    assert "refuses the connection" in gone.why
    for talk in (reset, answer(b""), answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"), answer(b"\xff" * 200)):
        with raw_server(talk) as port:
            found = PLUGIN.run(PLUGIN.args(cache="redis", port=port, pattern="a*", timeout=1), Doors, ABOUT)
            assert isinstance(found, Failed), found


def test_a_password_is_used_and_never_told():
    with redis_server("--requirepass", "hunter2secret") as locked:
        wrong = run(locked, pattern="a*", password="hunter3secret")
        assert isinstance(wrong, Failed)
        assert wrong.permanent
        assert "hunter3" not in wrong.why
        assert isinstance(run(locked, pattern="a*", password="hunter2secret"), NotNeeded)
    assert "hunter2" not in repr(PLUGIN.args(cache="redis", pattern="a*", password="hunter2secret"))


def test_a_user_who_may_not_is_a_lasting_failure(server, store):
    fill(store, count=3)
    store.acl_setuser(
        "reader", enabled=True, passwords=["+pass word"], commands=["+scan", "+dbsize", "+ping"], keys=["*"]
    )
    answer_ = run(server, pattern="cache:*", user="reader", password="pass word")
    assert isinstance(answer_, Failed)
    assert answer_.permanent
    assert store.dbsize() == 3


def old(path, hours=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 5_000)
    os.utime(path, (time.time() - hours * 3_600,) * 2)
    return path


def of_files(folder, **more):
    return PLUGIN.args.model_validate({"cache": "files", "folders": [str(folder)], "names": ["*.html"], **more})


def test_old_files_of_a_cache_go(tmp_path):
    folder = tmp_path / "cache"
    gone, young, other = old(folder / "a" / "1.html"), old(folder / "2.html", 0.5), old(folder / "3.css")
    victim = old(tmp_path / "victim" / "4.html")
    (folder / "out").symlink_to(victim.parent)
    told = PLUGIN.preview(of_files(folder), Doors, ABOUT)
    assert told == f"delete 1 file (8 KiB), oldest first: {folder}/a/1.html"
    assert gone.exists()
    assert PLUGIN.run(of_files(folder), Doors, ABOUT) == Done(f"deleted 1 file in {folder}, which freed 8 KiB")
    assert not gone.exists()
    assert young.exists()
    assert other.exists()
    assert victim.exists()
    assert isinstance(PLUGIN.run(of_files(folder), Doors, ABOUT), NotNeeded)
    assert "delete nothing" in PLUGIN.preview(of_files(folder), Doors, ABOUT)
    assert isinstance(PLUGIN.run(of_files(folder, older_than="10m", most=1), Doors, ABOUT), Done)
    assert PLUGIN.run(of_files(tmp_path / "gone"), Doors, ABOUT).permanent


@pytest.mark.parametrize(
    "given",
    [
        {"cache": "memcached"},
        {},
        {"pattern": "*"},
        {"pattern": "**?"},
        {"pattern": "[a-z]*"},
        {"pattern": "[a-z"},
        {"pattern": "\\*"},
        {"pattern": "a*", "whole_database": True, "database": "1"},
        {"whole_database": True},
        {"whole_database": "yes", "database": "1"},
        {"pattern": "a*", "database": "one"},
        {"pattern": "a*", "database": "-1"},
        {"pattern": "a*", "database": "١"},
        {"pattern": "a*", "host": "redis://localhost"},
        {"pattern": "a*", "host": "a\nb"},
        {"pattern": "a*", "folders": ["/var/cache/a"]},
        {"pattern": "a*", "most": 0},
        {"pattern": "a" * 1_001},
        {"cache": "files", "folders": ["/var/cache/a"]},
        {"cache": "files", "names": ["*"]},
        {"cache": "files", "folders": ["/"], "names": ["*"]},
        {"cache": "files", "folders": ["/home/ann"], "names": ["*"]},
        {"cache": "files", "folders": ["/var/cache/a"], "names": ["*"], "pattern": "a*"},
        {"cache": "files", "folders": ["/var/cache/a"], "names": ["*"], "host": "example.com"},
    ],
    ids=str,
)
def test_hostile_or_senseless_arguments_are_refused(given):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate({"cache": "redis", **given})
