"""Names that the system is asked for: one that hangs holds up no other, and is asked for once."""

import asyncio
import socket
import threading
import time

import pytest

from recovery.outside.background import Background

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]


@pytest.fixture
def system(monkeypatch):
    """A system's resolver that hangs for names in `.hangs` until the test is over; what it was asked, as a list."""
    asked, over = [], threading.Event()

    def resolve(host, *_rest):
        asked.append(host)
        if host.endswith(".hangs"):
            over.wait(10)
        if host.endswith(".none"):
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return FOUND

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    yield asked
    over.set()


async def resolve(name: str, seconds: float = 5.0):
    async with asyncio.timeout(seconds):
        return await asyncio.get_running_loop().getaddrinfo(name, 80)


def test_hundreds_of_names_that_hang_hold_up_no_other(system):
    async def ask():
        hanging = [asyncio.create_task(resolve(f"{number}.hangs")) for number in range(300)]
        await asyncio.sleep(0)
        begin = time.monotonic()
        assert await resolve("near") == FOUND
        took = time.monotonic() - begin
        for one in hanging:
            one.cancel()
        return took

    assert Background().run(ask()) < 2


def test_a_name_that_hangs_is_asked_for_once_however_often_it_is_looked_at(system):
    async def ask():
        for _ in range(5):
            with pytest.raises(TimeoutError):
                await resolve("a.hangs", 0.01)
        return await asyncio.gather(*(resolve("near") for _ in range(3)))

    assert Background().run(ask()) == [FOUND] * 3
    assert system.count("a.hangs") == 1


def test_an_answer_counts_once_and_the_next_look_asks_anew(system):
    background = Background()
    for _ in range(2):
        assert background.run(resolve("near")) == FOUND
        with pytest.raises(socket.gaierror):
            background.run(resolve("a.none"))
    assert system == ["near", "a.none"] * 2
