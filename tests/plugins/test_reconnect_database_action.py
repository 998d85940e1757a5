"""The action that ends connections, with real ones that idle and block; `recovery.actions.reconnect_database`."""

import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pymysql
import pytest
from pydantic import ValidationError

from recovery.actions import REGISTRY
from recovery.clock import utc_now
from recovery.model import About, Done, DoorError, EndedSessions, Failed, NotNeeded, Session
from recovery.outside.databases import postgresql_sessions
from recovery.outside.sessions import Sessions
from recovery.store.database import make_database
from tests.plugins.databases import PostgreSQL, mariadb_server
from tests.plugins.servers import answer, free_port, raw_server, reset

PLUGIN = REGISTRY.find("reconnect_database")
ABOUT = About("orders-db", utc_now())


class Doors:
    sessions = Sessions()


@pytest.fixture(scope="module")
def server():
    folder = tempfile.mkdtemp(prefix="medic-pg-")
    found = PostgreSQL(folder, "max_connections = 40\nmax_wal_senders = 4")
    try:
        found.start()
        with psycopg.connect(where(found, "postgres"), autocommit=True) as connection:
            for name, rights in (
                ("medic", ""),
                ("orders", ""),
                ("reports", ""),
                ("copies", "REPLICATION"),
                ("chief", "SUPERUSER"),
                ("weak", ""),
            ):
                connection.execute(f"CREATE ROLE {name} LOGIN {rights}")
            connection.execute("GRANT pg_signal_backend, pg_read_all_stats TO medic")
            connection.execute("GRANT pg_read_all_stats TO weak")
            connection.execute("CREATE TABLE stock (id int PRIMARY KEY, count int)")
            connection.execute("INSERT INTO stock VALUES (1, 5), (2, 5)")
            connection.execute("GRANT ALL ON stock TO PUBLIC")
            connection.execute("CREATE DATABASE shop")
        yield found
        found.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def where(server, user, database="postgres"):
    return f"host=127.0.0.1 port={server.port} user={user} dbname={database}"


def args(server, **more):
    given = {"engine": "postgresql", "port": server.port, "user": "medic", "idle_in_transaction": "300ms"}
    return PLUGIN.args.model_validate({**given, "blocking": "300ms", **more})


def run(server, doors=Doors, **more):
    return PLUGIN.run(args(server, **more), doors, ABOUT)


def preview(server, **more):
    return PLUGIN.preview(args(server, **more), Doors, ABOUT)


@contextmanager
def idle(server, user="orders", database="postgres", name="shop"):
    """A connection that leaves its transaction open; it is to be long enough ago at once."""
    connection = psycopg.connect(where(server, user, database), application_name=name)
    try:
        connection.execute("SELECT 'a secret word'")
        time.sleep(0.4)
        yield connection
    finally:
        connection.close()


def lives(connection):
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def test_a_forgotten_transaction_is_ended_and_told_without_what_it_asked(server):
    with idle(server) as forgotten:
        pid = forgotten.info.backend_pid
        told = preview(server)
        assert told.startswith(f"end 1 connection: {pid} of orders in postgres (idle in transaction for ")
        assert "secret" not in told
        assert lives(forgotten)
        time.sleep(0.4)
        result = run(server)
        assert isinstance(result, Done), result
        assert result.detail.startswith(f"ended 1 connection: {pid} of orders in postgres (idle in transaction for ")
        assert "secret" not in result.detail
        assert not lives(forgotten)
    nothing = (
        "none that may be ended is idle in a transaction for longer than 300ms or blocks others for longer than 300ms"
    )
    assert run(server) == NotNeeded(nothing)
    assert preview(server) == f"end no connection: {nothing}"


def test_a_failed_transaction_that_is_left_open_counts_too(server):
    with psycopg.connect(where(server, "orders")) as failed:
        with pytest.raises(psycopg.errors.UndefinedTable):
            failed.execute("SELECT * FROM no_such_table")
        time.sleep(0.4)
        assert isinstance(run(server), Done)
        assert not lives(failed)
        failed.close()


def test_what_is_young_or_works_or_has_no_transaction_open_stays(server):
    with (
        psycopg.connect(where(server, "orders"), autocommit=True) as plain,
        psycopg.connect(where(server, "orders")) as busy,
        psycopg.connect(where(server, "orders")) as young,
    ):
        plain.execute("SELECT 1")
        working = threading.Thread(target=lambda: busy.execute("SELECT pg_sleep(1)"))
        working.start()
        time.sleep(0.4)
        young.execute("SELECT 1")
        assert isinstance(run(server), NotNeeded)
        working.join()
        assert lives(plain)
        assert lives(busy)
        assert lives(young)
        busy.rollback()
        young.rollback()


@contextmanager
def queue(server, *users, row=1):
    """Connections that all want one row: the first has it, each next waits for the one before."""
    with ExitStack() as stack:
        found, threads = [], []
        for user in users:
            connection = psycopg.connect(where(server, user))
            stack.callback(connection.close)
            found.append(connection)
            if len(found) == 1:
                connection.execute("UPDATE stock SET count = count - 1 WHERE id = %s", (row,))
                continue
            threads.append(threading.Thread(target=_wait_for_row, args=(connection, row)))
            threads[-1].start()
            time.sleep(0.25)
        time.sleep(0.3)
        yield found, threads
        found[0].close()  # who waits goes on: a connection that is closed while its thread uses it ends this process
        for thread in threads:
            thread.join(30)


def _wait_for_row(connection, row):
    try:
        connection.execute("UPDATE stock SET count = count - 1 WHERE id = %s", (row,))
        connection.rollback()
    except psycopg.Error:
        connection.close()


def test_the_head_of_a_queue_is_ended_and_those_behind_it_go_on(server):
    with queue(server, "orders", "reports", "orders") as (connections, threads):
        head = connections[0].info.backend_pid
        assert preview(server, idle_in_transaction=None).startswith(f"end 1 connection: {head} of orders in postgres")
        result = run(server, idle_in_transaction=None)
        assert isinstance(result, Done), result
        assert result.detail.startswith(f"ended 1 connection: {head} of orders in postgres (blocking others for ")
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert not lives(connections[0])
        assert all(map(lives, connections[1:]))


def test_one_that_works_and_blocks_is_ended_for_blocking_alone(server):
    with psycopg.connect(where(server, "orders")) as holder, psycopg.connect(where(server, "reports")) as waiter:
        holder.execute("UPDATE stock SET count = 0 WHERE id = 2")

        def work():
            with pytest.raises(psycopg.OperationalError):
                holder.execute("SELECT pg_sleep(20)")

        threads = [threading.Thread(target=work), threading.Thread(target=_wait_for_row, args=(waiter, 2))]
        for thread in threads:
            thread.start()
        time.sleep(0.7)
        assert isinstance(run(server, blocking=None), NotNeeded)
        assert isinstance(run(server, blocking="10s"), NotNeeded)
        assert isinstance(run(server), Done)
        for thread in threads:
            thread.join(30)
        assert lives(waiter)


def test_one_that_is_forgotten_and_blocks_is_ended_once(server):
    with queue(server, "orders", "reports"):
        result = run(server)
        assert result.detail.count("ended 1 connection") == 1, result


def test_never_a_superuser_a_replicating_user_or_our_own(server):
    with (
        idle(server, "chief") as boss,
        idle(server, "copies") as copier,
        idle(server, "orders", name="n8n-medic") as ours,
    ):
        assert isinstance(run(server), NotNeeded)
        assert isinstance(run(server, user="postgres"), NotNeeded)
        assert all(map(lives, (boss, copier, ours)))
    with psycopg.connect(where(server, "postgres")) as boss, psycopg.connect(where(server, "reports")) as waiter:
        boss.execute("UPDATE stock SET count = 0 WHERE id = 2")
        thread = threading.Thread(target=_wait_for_row, args=(waiter, 2))
        thread.start()
        time.sleep(0.5)
        assert isinstance(run(server), NotNeeded)
        boss.rollback()
        thread.join(30)


def test_our_own_database_knows_us_by_the_name_that_is_spared(postgres_url):
    database = make_database(postgres_url)
    database.connect()
    assert database.execute_sql("SHOW application_name").fetchone() == ("n8n-medic",)
    database.close()


def test_only_of_given_users_and_databases(server):
    with idle(server) as one, idle(server, "reports", "shop") as two:
        assert isinstance(run(server, users=["nobody"]), NotNeeded)
        assert isinstance(run(server, users=["orders"], databases=["shop"]), NotNeeded)
        assert "of reports in shop" in run(server, databases=["shop"]).detail
        assert lives(one)
        assert not lives(two)
        time.sleep(0.4)
        assert "of orders in postgres" in run(server, users=["orders", "o'brien; DROP"]).detail


def test_only_so_many_and_the_longest_first(server):
    with ExitStack() as many:
        connections = [many.enter_context(idle(server)) for _ in range(3)]
        assert preview(server, most=2).startswith(f"end 2 connections: {connections[0].info.backend_pid} of orders")
        assert isinstance(run(server, most=2), Done)
        assert [lives(one) for one in connections] == [False, False, True]


def test_a_user_who_may_not_end_others_is_told_so(server):
    with idle(server) as one:
        result = run(server, user="weak")
        assert isinstance(result, Failed)
        assert result.permanent
        assert result.why.endswith("stays: the user may not: grant it pg_signal_backend")
        assert lives(one)


def test_a_user_who_sees_nothing_of_others_ends_nothing(server):
    with idle(server, "orders") as one:
        assert isinstance(run(server, user="reports"), NotNeeded)
        assert lives(one)


class Meddling(Sessions):
    def __init__(self, meddle):
        super().__init__()
        self._meddle = meddle

    def end(self, *args, **more):
        self._meddle()
        return super().end(*args, **more)


def test_one_that_has_moved_on_since_the_look_stays(server):
    with idle(server) as one:

        def next_transaction():
            one.rollback()
            one.execute("SELECT 1")
            time.sleep(0.4)

        class Between:
            sessions = Meddling(next_transaction)

        assert run(server, doors=Between) == NotNeeded("1 had moved on by themselves")
        assert lives(one)
        one.close()
    with idle(server) as one:

        class Gone:
            sessions = Meddling(one.close)

        assert isinstance(run(server, doors=Gone), NotNeeded)


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from recovery.actions import REGISTRY
from recovery.model import About
from recovery.outside.databases import postgresql_sessions
from recovery.outside.sessions import Sessions
from recovery.store.database import make_database
class Doors:
    sessions = Sessions()
end = postgresql_sessions.end
def once(connection, one):
    end(connection, one)
    os.kill(os.getpid(), signal.SIGKILL)
postgresql_sessions.end = once
plugin = REGISTRY.find("reconnect_database")
args = plugin.args(engine="postgresql", port=int(sys.argv[1]), user="medic", idle_in_transaction=0.3)
plugin.run(args, Doors, About("orders-db", datetime.now(UTC)))
"""


def test_a_second_run_after_a_killed_one_ends_what_is_left(server):
    with idle(server) as first, idle(server) as second:
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, str(server.port)], cwd=Path(__file__).parents[2], check=False
        )
        assert killed.returncode == -9
        assert not lives(first)
        result = run(server)
        assert result.detail.startswith(f"ended 1 connection: {second.info.backend_pid} ")


def test_what_was_ended_before_an_error_is_told(server, monkeypatch):
    real, calls = postgresql_sessions.end, []

    def breaks(connection, one):
        calls.append(one)
        if len(calls) == 2:
            raise psycopg.OperationalError("the server is gone")
        return real(connection, one)

    monkeypatch.setattr(postgresql_sessions, "end", breaks)
    with idle(server), idle(server):
        result = run(server)
    assert isinstance(result, Failed)
    assert not result.permanent
    assert "ended 1 connection: " in result.why
    assert "the server is gone" in result.why


def test_a_deadline_is_kept_and_tells_what_was_ended(server, monkeypatch):
    real = postgresql_sessions.end

    def slowly(connection, one):
        time.sleep(0.7)
        return real(connection, one)

    monkeypatch.setattr(postgresql_sessions, "end", slowly)
    with idle(server), idle(server) as second:
        result = run(server, timeout="600ms")
        assert isinstance(result, Failed)
        assert "ended 1 connection" in result.why
        assert result.why.endswith("stays: the time for it was over")
        assert lives(second)


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_a_server_that_is_silent_gone_or_something_else_is_a_failure(engine):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        given = PLUGIN.args(engine=engine, port=silent.getsockname()[1], timeout=0.3)
        assert "within 0.3 s" in PLUGIN.run(given, Doors, ABOUT).why
        assert time.monotonic() - begin < 3
        with pytest.raises(DoorError):
            PLUGIN.preview(given, Doors, ABOUT)
    gone = PLUGIN.run(PLUGIN.args(engine=engine, port=free_port()), Doors, ABOUT)
    assert "refuses the connection" in gone.why
    for talk in (reset, answer(b""), answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"), answer(b"\xff" * 200)):
        with raw_server(talk) as port:
            found = PLUGIN.run(PLUGIN.args(engine=engine, port=port, timeout=1), Doors, ABOUT)
            assert isinstance(found, Failed), found


def mine(server, user="orders", **more):
    given = {"host": "127.0.0.1", "port": server.port, "user": user, "password": "pass word", "database": "shop"}
    return pymysql.connect(**given | more)


@pytest.fixture(scope="module")
def shop():
    """A MariaDB with a table, users, and one user who may end connections."""
    setup = (
        "CREATE TABLE IF NOT EXISTS shop.stock (id INT PRIMARY KEY, count INT) ENGINE=InnoDB;\n"
        "REPLACE INTO shop.stock VALUES (1, 5), (2, 5);\n"
        "CREATE OR REPLACE USER orders@'%' IDENTIFIED BY 'pass word';\n"
        "CREATE OR REPLACE USER boss@'%' IDENTIFIED BY 'pass word';\n"
        "CREATE OR REPLACE USER blind@'%' IDENTIFIED BY 'pass word';\n"
        "CREATE OR REPLACE USER weak@'%' IDENTIFIED BY 'pass word';\n"
        "GRANT ALL ON shop.* TO orders@'%';\n"
        "GRANT ALL ON *.* TO boss@'%';\n"
        "GRANT PROCESS, CONNECTION ADMIN ON *.* TO blind@'%';\n"
        "GRANT SELECT, PROCESS ON *.* TO weak@'%';\n"
        "GRANT CONNECTION ADMIN ON *.* TO medic@'%';\n"
    )
    with mariadb_server("--innodb-lock-wait-timeout=15", more_setup=setup) as found:
        end = time.monotonic() + 20
        while True:
            try:
                mine(found).close()
                break
            except pymysql.err.OperationalError:
                assert time.monotonic() < end
                time.sleep(0.1)
        yield found


def run_mysql(server, doors=Doors, **more):
    given = {"engine": "mysql", "port": server.port, "user": "medic", "password": "pass word"}
    given |= {"idle_in_transaction": "1s", "blocking": None, **more}
    return PLUGIN.run(PLUGIN.args.model_validate(given), doors, ABOUT)


def answers(connection):
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except pymysql.err.Error:
        return False
    return True


def hold(connection, row=1):
    with connection.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("UPDATE stock SET count = count - 1 WHERE id = %s", (row,))


def test_mariadb_ends_a_forgotten_transaction_and_no_other(shop):
    forgotten, plain, boss = mine(shop), mine(shop), mine(shop, "boss")
    try:
        hold(forgotten, 1)
        hold(boss, 2)
        assert answers(plain)
        plain.rollback()
        time.sleep(2.2)
        told = run_mysql(shop)
        assert isinstance(told, Done), told
        pid = forgotten.thread_id()
        assert told.detail.startswith(f"ended 1 connection: {pid} of orders in shop (idle in transaction for 2 s)")
        assert not answers(forgotten)
        assert answers(plain)
        assert answers(boss)
        assert isinstance(run_mysql(shop), NotNeeded)
    finally:
        for one in (plain, boss):
            one.close()


def test_mariadb_ends_who_blocks_and_those_behind_go_on(shop):
    head, middle, last = mine(shop), mine(shop), mine(shop)
    done = []

    def want(connection):
        hold(connection)
        connection.rollback()
        done.append(connection)

    threads = [threading.Thread(target=want, args=(one,)) for one in (middle, last)]
    try:
        hold(head)
        for thread in threads:
            thread.start()
        time.sleep(2.2)
        assert isinstance(run_mysql(shop, idle_in_transaction=None, blocking="30s"), NotNeeded)
        told = run_mysql(shop, idle_in_transaction=None, blocking="1s")
        assert isinstance(told, Done), told
        assert told.detail.startswith(f"ended 1 connection: {head.thread_id()} of orders in shop (blocking others for ")
        for thread in threads:
            thread.join(30)
        assert len(done) == 2
    finally:
        for one in (middle, last):
            one.close()


def test_mariadb_that_does_not_tell_who_is_a_superuser_ends_only_named_users(shop):
    forgotten, boss = mine(shop), mine(shop, "boss")
    try:
        hold(forgotten, 1)
        hold(boss, 2)
        time.sleep(2.2)
        told = run_mysql(shop, user="blind")
        assert isinstance(told, Failed)
        assert told.permanent
        assert told.why.startswith("the server does not tell who is a superuser: name `users`")
        assert "grant it CONNECTION ADMIN" in run_mysql(shop, user="weak").why
        assert answers(forgotten)
        hold(forgotten, 1)
        time.sleep(2.2)
        assert "1 connection: " in run_mysql(shop, user="blind", users=["orders"]).detail
        assert not answers(forgotten)
        assert answers(boss)
    finally:
        boss.close()


def test_mariadb_lets_one_that_has_moved_on_live(shop):
    one = mine(shop)
    try:
        hold(one)
        time.sleep(2.2)

        def next_transaction():
            one.rollback()
            hold(one)
            time.sleep(2.2)

        class Between:
            sessions = Meddling(next_transaction)

        assert run_mysql(shop, doors=Between) == NotNeeded("1 had moved on by themselves")
        assert answers(one)
    finally:
        one.close()


def test_names_that_a_server_tells_are_cleaned_and_many_are_cut():
    many = tuple(Session(pid, "a\x1b[31m\nb", "", "blocking others", 7.0, "") for pid in range(12))

    class Made:
        class sessions:  # noqa: N801
            find = staticmethod(lambda *args: many)
            end = staticmethod(lambda *args: EndedSessions(ended=many))

    told = PLUGIN.run(PLUGIN.args(engine="mysql"), Made, ABOUT).detail
    assert told.isprintable()
    assert told.startswith("ended 12 connections: 0 of a?[31m?b in none (blocking others for 7 s), 1 of")
    assert told.endswith("9 of a?[31m?b in none (blocking others for 7 s) and 2 more")


@pytest.mark.parametrize(
    "given",
    [
        {"engine": "redis"},
        {"engine": "sqlite"},
        {"idle_in_transaction": None, "blocking": None},
        {"idle_in_transaction": "0s"},
        {"blocking": "-5s"},
        {"users": [""]},
        {"users": "orders"},
        {"users": ["a" * 129]},
        {"most": 0},
        {"most": 1_001},
        {"host": "postgresql://medic:hunter2@db/orders"},
        {"host": "db\nevil"},
        {"database": "a\0b"},
        {"query": "SELECT 1"},
        {"timeout": "0s"},
    ],
    ids=str,
)
def test_hostile_or_senseless_arguments_are_refused(given):
    with pytest.raises(ValidationError):
        PLUGIN.args.model_validate({"engine": "postgresql", **given})


def test_a_password_is_not_shown():
    assert "hunter2" not in repr(PLUGIN.args(engine="mysql", password="hunter2"))
