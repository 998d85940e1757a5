"""The check of a database, against real ones that stop, fill up and come back; `recovery.checks.database`."""

import asyncio
import gc
import shutil
import socket
import sqlite3
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from pydantic import ValidationError

from recovery.checks import REGISTRY
from recovery.clock import utc_now
from recovery.model import DatabaseAddress, DatabaseState, DoorError, FailureType, Past
from recovery.outside.databases import Databases
from recovery.outside.databases import sqlite as sqlite_door
from tests.plugins.databases import PostgreSQL, mariadb_server, redis_server
from tests.plugins.plugins import BACKGROUND, run_plugin
from tests.plugins.servers import answer, free_port, raw_server, reset


class Doors:
    database = Databases()


def look(doors=Doors, **args):
    plugin = REGISTRY.find("database")
    return run_plugin(plugin, plugin.args.model_validate(args), doors())


def fails(reading, failure=FailureType.DATABASE_CONNECTION):
    assert (reading.healthy, reading.failure_type) == (False, failure), reading
    return reading.because


@contextmanager
def postgresql(settings="", copy_of=None):
    folder = tempfile.mkdtemp(prefix="medic-pg-")
    server = PostgreSQL(folder, settings, copy_of)
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def primary():
    with postgresql("max_connections = 15\nmax_wal_senders = 4") as server:
        yield server


def ask(server, **more):
    given = {"host": "127.0.0.1", "port": server.port, "user": "postgres", "database": "postgres"}
    return look(engine="postgresql", **given | more)


def test_postgresql_that_stops_is_noticed_and_comes_back(primary):
    assert ask(primary).healthy
    primary.stop()
    try:
        assert "refuses the connection" in fails(ask(primary))
    finally:
        primary.start()
    reading = ask(primary)
    assert reading.healthy
    assert "of 12 connections are open" in reading.because
    assert reading.latency_ms > 0


def test_postgresql_is_asked_over_its_socket_too(primary):
    assert ask(primary, host=primary.host).healthy


def test_postgresql_near_its_limit_is_exhausted_before_it_is_full(primary):
    where = f"host=127.0.0.1 port={primary.port} user=postgres dbname=postgres"
    with ExitStack() as many:
        for _ in range(10):
            many.enter_context(psycopg.connect(where))
        assert fails(ask(primary), FailureType.RESOURCE_EXHAUSTED) == "11 of 12 connections are open (limit 90 %)"
        assert ask(primary, connections=None).healthy
        for _ in range(5):
            many.enter_context(psycopg.connect(where))
        assert "too many clients" in fails(ask(primary), FailureType.RESOURCE_EXHAUSTED)
    assert ask(primary).healthy


def test_a_query_that_fails_is_a_failure_and_nothing_can_be_written(primary):
    assert "no_such_table" in fails(ask(primary, query="SELECT * FROM no_such_table"))
    assert "read-only" in fails(ask(primary, query="CREATE TABLE made_by_a_check (id int)"))
    assert ask(primary, query="SELECT count(*) FROM pg_class").healthy


def test_a_query_that_hangs_ends_in_time_here_and_in_the_server(primary):
    begin = time.monotonic()
    said = fails(ask(primary, query="SELECT pg_sleep(30)", timeout="500ms"))
    assert time.monotonic() - begin < 2
    assert said == f"no answer from postgresql at 127.0.0.1:{primary.port} within 0.5 s"
    where = f"host=127.0.0.1 port={primary.port} user=postgres dbname=postgres"
    with psycopg.connect(where, autocommit=True) as other:
        running = (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep%%' AND state = 'active' AND pid <> %s"
        )
        end = time.monotonic() + 5
        while other.execute(running, (other.info.backend_pid,)).fetchone()[0] and time.monotonic() < end:
            time.sleep(0.05)
        assert other.execute(running, (other.info.backend_pid,)).fetchone()[0] == 0


def test_a_slow_answer_is_a_failure_where_a_limit_is_set(primary):
    said = fails(ask(primary, query="SELECT pg_sleep(0.3)", slow="200ms"))
    assert said.startswith("took 3") or "ms to answer (limit 200 ms)" in said
    assert ask(primary, query="SELECT pg_sleep(0.3)").healthy


def test_a_session_keeps_nothing_of_the_check(primary):
    """Behind a pooler the connection is given to others: a `SET` that outlives the transaction would stay."""
    where = f"host=127.0.0.1 port={primary.port} user=postgres dbname=postgres"
    with psycopg.connect(where, autocommit=True) as other:
        before = other.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres'").fetchone()
        for _ in range(3):
            ask(primary)
        end = time.monotonic() + 5
        ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres'"
        while other.execute(ours).fetchone() != before and time.monotonic() < end:
            time.sleep(0.05)
        assert other.execute(ours).fetchone() == before


def test_a_replica_whose_primary_is_gone_falls_behind_and_catches_up():
    with postgresql() as first, postgresql("hot_standby = on", copy_of=first) as replica:
        where = f"host=127.0.0.1 port={first.port} user=postgres dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute("CREATE TABLE one (id int)")
        wait_for(lambda: "0 s behind" in ask(replica, lag="1s").because)
        first.stop()
        wait_for(lambda: "s behind (limit 1 s)" in ask(replica, lag="1s").because)
        assert fails(ask(replica, lag="1s"))
        assert ask(replica).healthy
        first.start()
        wait_for(lambda: ask(replica, lag="1s").healthy)


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_user_that_is_not_let_in_is_told_without_the_password(primary):
    with raw_server(
        answer_postgres_error("28P01", 'password authentication failed for user "medic" hunter2secret')
    ) as port:
        given = {"host": "127.0.0.1", "port": port, "user": "medic", "password": "hunter2secret"}
        said = fails(look(engine="postgresql", **given))
    assert "password authentication failed" in said
    assert "hunter2secret" not in said


def answer_postgres_error(code, text):
    fields = f"SFATAL\0C{code}\0M{text}\0\0".encode()
    error = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields

    def talk(stream):
        if stream.recv(65_536)[4:8] == (80_877_103).to_bytes(4, "big"):
            stream.sendall(b"N")
            stream.recv(65_536)
        stream.sendall(error)

    return talk


ENGINES = ["postgresql", "mysql", "redis"]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_silent_is_waited_for_no_longer_than_allowed(engine):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        begin = time.monotonic()
        said = fails(look(engine=engine, host="127.0.0.1", port=port, timeout="400ms"))
        assert time.monotonic() - begin < 2
    assert said == f"no answer from {engine} at 127.0.0.1:{port} within 0.4 s"


@pytest.mark.parametrize("engine", ENGINES)
def test_what_nothing_listens_at_is_refused(engine):
    begin = time.monotonic()
    assert "refuses the connection" in fails(look(engine=engine, host="127.0.0.1", port=free_port()))
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "talk",
    [reset, answer(b""), answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"), answer(b"\0" * 70_000), answer(b"\xff" * 200)],
    ids=["reset", "closes", "http", "zeros", "ones"],
)
def test_what_is_no_such_database_is_a_failure_and_no_error_of_ours(engine, talk):
    with raw_server(talk) as port:
        fails(look(engine=engine, host="127.0.0.1", port=port, timeout=1))


def test_a_server_that_sends_a_byte_now_and_then_keeps_no_thread():
    def greet_slowly(stream):
        stream.sendall(b"\x80\x00\x00\x00\x0a")
        while True:
            time.sleep(0.1)
            stream.sendall(b"a")

    with raw_server(greet_slowly) as port:
        fails(look(engine="mysql", host="127.0.0.1", port=port, timeout="500ms"))
        wait_for(lambda: not any("pymysql" in str(frame) for frame in frames_of("mysql")), 5)


def frames_of(prefix):
    import sys
    import traceback

    ours = {thread.ident for thread in threading.enumerate() if thread.name.startswith(prefix)}
    found = [traceback.extract_stack(frame) for ident, frame in sys._current_frames().items() if ident in ours]
    return [line for stack in found for line in stack]


def test_redis_that_stops_is_noticed_and_comes_back():
    with redis_server("--maxclients", "10") as server:
        where = {"engine": "redis", "host": "127.0.0.1", "port": server.port}
        assert "1 of 10 connections are open" in look(**where).because
        server.stop()
        assert "refuses the connection" in fails(look(**where))
        server.start()
        assert look(**where).healthy


def test_redis_near_its_limit_is_exhausted_before_it_is_full():
    with redis_server("--maxclients", "10") as server, ExitStack() as many:
        where = {"engine": "redis", "host": "127.0.0.1", "port": server.port}
        for _ in range(9):
            many.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        # One that waited for the server's start may still count; and a full Redis may hang up before its word is read.
        wait_for(lambda: look(**where).because == "10 of 10 connections are open (limit 90 %)")
        fails(look(**where), FailureType.RESOURCE_EXHAUSTED)
        many.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        wait_for(lambda: "max number of clients" in look(**where).because)
        wait_for(lambda: look(**where).failure_type is FailureType.RESOURCE_EXHAUSTED)


def test_redis_asks_for_the_password_and_a_replica_tells_of_its_master():
    with redis_server("--requirepass", "hunter2secret") as server:
        where = {"engine": "redis", "host": "127.0.0.1", "port": server.port}
        fails(look(**where))
        assert "hunter3" not in fails(look(**where, password="hunter3"))
        assert look(**where, password="hunter2secret").healthy
    with redis_server() as master, redis_server("--replicaof", f"127.0.0.1 {master.port}") as replica:
        where = {"engine": "redis", "host": "127.0.0.1", "port": replica.port}
        wait_for(lambda: look(**where).healthy)
        master.stop()
        wait_for(lambda: "replication has stopped" in look(**where).because)
        master.start()
        wait_for(lambda: look(**where).healthy)


def test_mariadb_that_stops_or_fills_up_is_noticed_and_comes_back():
    with mariadb_server("--max-connections=10") as server:
        where = {"engine": "mysql", "host": "127.0.0.1", "port": server.port, "user": "medic"}
        right = {"password": "pass word"}
        wait_for(lambda: look(**where, **right).healthy)
        assert "1 of 10 connections are open" in look(**where, **right).because
        assert "wrong word" not in fails(look(**where, password="wrong word"))
        assert "Access denied" in fails(look(**where, password="wrong word"))
        assert "doesn't exist" in fails(look(**where, **right, query="SELECT * FROM shop.orders"))
        fails(look(**where, **right, query="CREATE TABLE shop.made (id int)"))
        with ExitStack() as many:
            import pymysql

            for _ in range(8):
                one = pymysql.connect(host="127.0.0.1", port=server.port, user="medic", password=right["password"])
                many.callback(one.close)
            assert "9 of 10" in fails(look(**where, **right), FailureType.RESOURCE_EXHAUSTED)
            for _ in range(3):
                try:
                    one = pymysql.connect(host="127.0.0.1", port=server.port, user="medic", password=right["password"])
                    many.callback(one.close)
                except pymysql.err.OperationalError:
                    break
            assert "oo many" in fails(look(**where, **right), FailureType.RESOURCE_EXHAUSTED)
        server.stop()
        assert "refuses the connection" in fails(look(**where, **right))
        server.start()
        wait_for(lambda: look(**where, **right).healthy)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "n8n #1?.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE one (id INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany("INSERT INTO one (text) VALUES (?)", [("x" * 500,) for _ in range(500)])
        connection.execute("CREATE INDEX two ON one (text, id)")
    connection.close()
    return path


def test_an_sqlite_file_that_goes_and_comes_back(file):
    assert look(engine="sqlite", path=str(file)).healthy
    away = file.rename(file.with_name("away"))
    assert fails(look(engine="sqlite", path=str(file))) == f"{file}: No such file or directory"
    assert not file.exists()
    away.rename(file)
    assert look(engine="sqlite", path=str(file)).healthy


def test_an_sqlite_file_that_is_damaged_or_empty_or_something_else(file):
    whole = file.read_bytes()
    file.write_bytes(whole[:20_000] + b"\xff" * 4_096 + whole[24_096:])
    assert "damaged" in fails(look(engine="sqlite", path=str(file)))
    assert look(engine="sqlite", path=str(file), quick_check=False).healthy
    file.write_bytes(b"")
    assert "is empty" in fails(look(engine="sqlite", path=str(file)))
    file.write_text("this is no database, and longer than a header of one" * 20)
    assert "not a database" in fails(look(engine="sqlite", path=str(file)))
    assert "is not a file" in fails(look(engine="sqlite", path=str(file.parent)))
    file.write_bytes(whole)
    assert look(engine="sqlite", path=str(file)).healthy


def test_an_sqlite_file_is_only_read(file):
    assert "readonly" in fails(look(engine="sqlite", path=str(file), query="DELETE FROM one"))
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    begin = time.monotonic()
    assert "within 0.3 s" in fails(look(engine="sqlite", path=str(file), query=endless, timeout="300ms"))
    assert time.monotonic() - begin < 2


def test_an_sqlite_file_that_somebody_holds_is_a_failure_until_it_is_let_go(file):
    with sqlite3.connect(file, isolation_level=None) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert "locked" in fails(look(engine="sqlite", path=str(file), timeout="1s"))
        writer.execute("ROLLBACK")
    assert look(engine="sqlite", path=str(file)).healthy


def test_a_file_on_a_dead_disk_costs_one_thread_and_holds_up_no_other(file, monkeypatch):
    dead, begun, over = str(file) + "-dead", [], threading.Event()
    size = sqlite_door._size

    def hang(path):
        if path == dead:
            begun.append(path)
            over.wait(20)
        return size(path)

    monkeypatch.setattr(sqlite_door, "_size", hang)
    try:
        for _ in range(3):
            assert "within 0.1 s" in fails(look(engine="sqlite", path=dead, timeout="100ms"))
        assert len(begun) == 1 and look(engine="sqlite", path=str(file)).healthy
    finally:
        over.set()


def test_nothing_is_logged_of_a_look_at_a_file_that_was_given_up_and_broke_later(monkeypatch, caplog):
    over = threading.Event()

    def hang(path):
        over.wait(20)
        raise OSError("the disk is gone")

    async def give_up():
        doors, address = Databases(), DatabaseAddress("sqlite", path="/on/a/dead/disk")
        with pytest.raises(DoorError, match="no answer"):
            await doors.look(address, 0.01)
        over.set()
        with pytest.raises(DoorError, match="gone"):
            await doors.look(address, 5)

    monkeypatch.setattr(sqlite_door, "_size", hang)
    asyncio.run(give_up())
    gc.collect()
    assert not caplog.records


def test_servers_that_hang_hold_up_no_other():
    mysql = REGISTRY.find("database").args
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        port = server.getsockname()[1]
        hanging = mysql(engine="mysql", host="127.0.0.1", port=port, timeout="5s")
        refused = mysql(engine="mysql", host="127.0.0.1", port=free_port(), timeout="2s")

        async def look_at_all():
            run = REGISTRY.find("database").run
            tasks = [asyncio.ensure_future(run(hanging, Doors(), Past(utc_now()))) for _ in range(40)]
            await asyncio.sleep(0.1)
            said = await run(refused, Doors(), Past(utc_now()))
            for task in tasks:
                task.cancel()
            return said

        assert "refuses the connection" in fails(BACKGROUND.run(look_at_all()))


def flooding(first: bytes, again: bytes):
    """What a server says that never ends."""

    def talk(stream):
        with suppress(OSError):
            stream.sendall(first)
            while True:
                stream.sendall(again)

    return talk


@pytest.mark.parametrize(
    ("engine", "first", "again", "said"),
    [
        ("redis", b"$2000000000\r\n", bytes(65_536), "it sends more than 1048576 bytes"),
        ("redis", b"*2000000000\r\n", b"$65536\r\n" + bytes(65_536) + b"\r\n", "it sends more than 1048576 bytes"),
        ("redis", b"*2000000000\r\n", b":1\r\n" * 10_000, "it sends more than 1048576 bytes"),
        ("mysql", b"\xff\xff\xff\x00", bytes(65_536), "it sends more than 16777216 bytes"),
    ],
    ids=["redis", "redis-list", "redis-numbers", "mysql"],
)
def test_an_answer_without_an_end_is_not_taken_in(engine, first, again, said):
    with raw_server(flooding(first, again)) as port:
        assert said in fails(look(engine=engine, host="127.0.0.1", port=port, timeout="3s"))


class Told:
    """A door that tells what the test says."""

    state = DatabaseState(1.0)

    @property
    def database(self):
        return self

    async def look(self, address, timeout_seconds):
        return self.state


def told(**state):
    return type("Doors", (Told,), {"state": DatabaseState(**{"latency_ms": 1.0, **state})})


def test_what_a_server_does_not_tell_is_not_judged():
    assert look(told(), engine="redis", lag="1s").healthy
    assert look(told(connections=99), engine="redis").healthy
    assert look(told(connections=99, most_connections=0), engine="redis").healthy


def test_everything_that_is_wrong_is_told_the_connections_first():
    doors = told(
        latency_ms=2_500, connections=90, most_connections=100, lag_seconds=61.4, trouble="replication has stopped"
    )
    reading = look(doors, engine="mysql", lag="1m", slow="1s")
    assert fails(reading, FailureType.RESOURCE_EXHAUSTED) == (
        "90 of 100 connections are open (limit 90 %); replication has stopped; "
        "the replica is 61 s behind (limit 60 s); took 2500 ms to answer (limit 1000 ms)"
    )


def test_a_password_may_stand_in_a_file_and_is_never_shown(tmp_path):
    place = tmp_path / "password"
    place.write_text("hunter2secret\n")
    args = REGISTRY.find("database").args.model_validate({"engine": "mysql", "password_file": str(place)})
    assert args.address().password == "hunter2secret"
    assert "hunter2secret" not in f"{args!r} {args} {args.address()!r} {args.model_dump_json()}"
    with pytest.raises(ValidationError, match="password_file"):
        REGISTRY.find("database").args.model_validate({"engine": "mysql", "password_file": str(tmp_path / "none")})


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"engine": "oracle"},
        {"engine": "sqlite"},
        {"engine": "mysql", "path": "/srv/file"},
        {"engine": "sqlite", "path": "/srv/\0file"},
        {"engine": "postgresql", "host": "postgresql://u:hunter2@db/x"},
        {"engine": "postgresql", "host": "db.example.com:5432"},
        {"engine": "postgresql", "host": "one,two"},
        {"engine": "postgresql", "host": ""},
        {"engine": "postgresql", "port": 0},
        {"engine": "postgresql", "port": "5432"},
        {"engine": "postgresql", "url": "postgresql://u:hunter2@db/x"},
        {"engine": "redis", "query": "FLUSHALL"},
        {"engine": "redis", "database": "orders"},
        {"engine": "mysql", "connections": 0.9},
        {"engine": "mysql", "connections": 101},
        {"engine": "mysql", "slow": 0},
        {"engine": "mysql", "timeout": "1y"},
    ],
)
def test_arguments_that_make_no_sense_are_refused_without_showing_what_may_be_secret(args):
    with pytest.raises(ValidationError) as problem:
        REGISTRY.find("database").args.model_validate(args)
    assert "hunter2" not in str(problem.value)


def test_a_name_that_looks_like_settings_is_only_a_name(primary):
    for name in ("x host=/tmp", "x' options='-c a=b", "postgresql://h/x", "\\'", "a" * 128):
        assert "does not exist" in fails(ask(primary, database=name))
        fails(ask(primary, user=name))
    assert Path(primary.host).exists()


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """The files of a certificate authority of ours, and of a certificate and key of it for 127.0.0.1."""
    import trustme

    folder = Path(tempfile.mkdtemp(prefix="medic-tls-"))
    folder.chmod(0o755)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    names = [folder / "ca.pem", folder / "cert.pem", folder / "key.pem"]
    authority.cert_pem.write_to_path(names[0])
    issued.cert_chain_pems[0].write_to_path(names[1])
    issued.private_key_pem.write_to_path(names[2])
    names[2].chmod(0o644)
    yield [str(name) for name in names]
    shutil.rmtree(folder)


def over_tls(papers, **where):
    """What holds of each server that speaks TLS with a certificate of our own authority."""
    wait_for(lambda: look(**where, tls=True, ca_file=papers[0]).healthy)
    assert "certificate" in fails(look(**where, tls=True)).lower()
    fails(look(**where, tls=True, ca_file="/no/such/file"))


def test_redis_over_tls_shows_a_certificate_that_is_trusted(papers):
    port = free_port()
    files = ["--tls-cert-file", papers[1], "--tls-key-file", papers[2], "--tls-ca-cert-file", papers[0]]
    with redis_server("--tls-port", str(port), *files, "--tls-auth-clients", "no"):
        over_tls(papers, engine="redis", host="127.0.0.1", port=port)


def test_mariadb_over_tls_shows_a_certificate_that_is_trusted(papers):
    with mariadb_server(f"--ssl-cert={papers[1]}", f"--ssl-key={papers[2]}", f"--ssl-ca={papers[0]}") as server:
        where = {"engine": "mysql", "host": "127.0.0.1", "port": server.port, "user": "medic"}
        over_tls(papers, **where, password="pass word")
        assert look(**where, password="pass word").healthy


def test_a_server_without_tls_is_refused_where_tls_must_be(primary):
    fails(ask(primary, tls=True))
