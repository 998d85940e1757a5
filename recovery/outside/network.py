"""Names and hosts: whether a name can be resolved, and whether anything at all answers at an address."""

import asyncio
import errno
import socket
import time
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver

from recovery.model import DoorError, Knock
from recovery.outside.http_errors import CANNOT_BE_ASKED, door_error
from recovery.redact import redact_text

__all__ = ["Network"]

FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}
REFUSED = f"[Errno {errno.ECONNREFUSED}]"  # of a name with several addresses, asyncio tells all errors in one text
NOTHING_THERE = (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN)
BROKEN = (OSError, dns.exception.DNSException, *CANNOT_BE_ASKED)


class Network:
    """The network as a `NetworkDoor` shows it. Everything runs on an event loop, and ends at its deadline."""

    async def resolve(self, name: str, records: list[str], server: str, port: int, timeout_seconds: float) -> list[str]:
        """The addresses of a name, sorted. See `NetworkDoor.resolve`."""
        try:
            async with asyncio.timeout(timeout_seconds):
                if server:
                    found = await _ask_server(name, records, server, port, timeout_seconds)
                else:
                    found = await _ask_system(name, records)
        except BROKEN as error:
            raise _not_resolved(error, name, server, port, timeout_seconds) from None
        return sorted(found)

    async def knock(self, host: str, ports: list[int], timeout_seconds: float) -> Knock:
        """The first port that takes or refuses a connection. See `NetworkDoor.knock`."""
        begin = time.monotonic()
        tries = [asyncio.create_task(_try(host, port)) for port in ports]
        last: BaseException = TimeoutError()
        try:
            async with asyncio.timeout(timeout_seconds):
                for ended in asyncio.as_completed(tries):
                    try:
                        port, taken = await ended
                    except (OSError, *CANNOT_BE_ASKED) as error:
                        last = error
                    else:
                        return Knock(port, taken, (time.monotonic() - begin) * 1000)
        except TimeoutError as error:
            last = error
        finally:
            for one in tries:
                one.cancel()
            await asyncio.gather(*tries, return_exceptions=True)
        raise _nobody_there(last, host, ports, timeout_seconds)


async def _try(host: str, port: int) -> tuple[int, bool]:
    """The port, and whether it took the connection; a refusal or a reset is an answer of a living host too."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        if isinstance(error, ConnectionResetError) or REFUSED in str(error):
            return port, False
        raise
    writer.close()
    return port, True


def _nobody_there(error: BaseException, host: str, ports: list[int], seconds: float) -> DoorError:
    if isinstance(error, TimeoutError):
        tried = ", ".join(map(str, ports))
        return DoorError(f"{host} answers on no port within {seconds:g} s (tried {tried})", "timeout")
    return door_error(error, host, seconds)


async def _ask_system(name: str, records: list[str]) -> set[str]:
    family = FAMILIES[records[0]] if len(records) == 1 else socket.AF_UNSPEC
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, family=family, type=socket.SOCK_STREAM)
    return {str(entry[4][0]).partition("%")[0] for entry in found}


async def _ask_server(name: str, records: list[str], server: str, port: int, seconds: float) -> set[str]:
    resolver: Any = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = [server], port, seconds
    asked = [resolver.resolve(name, record, search=False) for record in records]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    problems = [one for one in answers if isinstance(one, BaseException)]
    found = {entry.address for one in answers if not isinstance(one, BaseException) for entry in one}
    broken = next((one for one in problems if not isinstance(one, NOTHING_THERE)), None)
    if not found:
        raise broken or problems[0]
    return found


def _not_resolved(error: BaseException, name: str, server: str, port: int, seconds: float) -> DoorError:
    whom = (server if port == 53 else f"{server} port {port}") if server else "the system's resolver"
    if isinstance(error, (TimeoutError, dns.exception.Timeout)):
        return DoorError(f"no answer from {whom} about {name} within {seconds:g} s", "timeout")
    if isinstance(error, dns.resolver.NXDOMAIN):
        return DoorError(f"{whom} says that {name} does not exist", "dns")
    if isinstance(error, dns.resolver.NoAnswer):
        return DoorError(f"{whom} knows no such address of {name}", "dns")
    if isinstance(error, dns.resolver.NoNameservers):
        return DoorError(f"{whom} gives no usable answer about {name}: {_said(error)}", "dns")
    if isinstance(error, socket.gaierror):
        return DoorError(f"{whom} cannot resolve {name}: {error.strerror}", "dns")
    client = isinstance(error, (dns.exception.DNSException, *CANNOT_BE_ASKED))
    return DoorError(redact_text(f"{name} cannot be asked for: {error}"), "client" if client else "network", client)


def _said(error: Any) -> str:
    """The last thing that the server answered, such as SERVFAIL or REFUSED."""
    errors = getattr(error, "kwargs", {}).get("errors") or []
    return str(errors[-1][3] if errors else "no words")[:120]
