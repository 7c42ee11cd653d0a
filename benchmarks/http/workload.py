"""What a benchmark over HTTP is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.data import Dataset
from benchmarks.workload import Target


@dataclass(frozen=True)
class Server:
    """One way to answer the workload's requests.

    Attributes:
        name: in tables and results.
        what: how it is made, in one line, so that a reader can judge whether it is fair.
        app: makes the ASGI application, in the server's own process.
        floor: whether its answer is no answer, but only as large as one; it is not compared.
    """

    name: str
    what: str
    app: Callable[[Dataset], Any]
    floor: bool = False


@dataclass(frozen=True)
class Load:
    """What was measured of one server: one value for each run, and the instructions.

    Attributes:
        rates: requests per second.
        p50: the time of half of the requests, in ms, seen by the client; p95 and p99 likewise.
        cpu: CPU time of the server's process for each request, in ms; the database's is not in it.
        client: the part of the time in which the client was at work. Near 1 it would be what is measured.
        instructions: millions of instructions of the server's process per request, or None.
    """

    rates: list[float]
    p50: list[float]
    p95: list[float]
    p99: list[float]
    cpu: list[float]
    client: list[float]
    instructions: float | None = None


@dataclass(frozen=True)
class HttpWorkload:
    """Requests that many clients make at once, and all that answer them.

    Attributes:
        name: in tables and results.
        title: what the requests are.
        servers: in the order of the table.
        baseline: the name of the server that the others are compared with.
        paths: what is asked for, one after the other.
        plain: turns any server's answer into what must be equal between servers.
        targets: the promises.
        clients: how many connections ask at once; each waits for its answer before it asks again.
    """

    name: str
    title: str
    servers: Sequence[Server]
    baseline: str
    paths: Callable[[Dataset], list[str]]
    plain: Callable[[bytes], Any]
    targets: Sequence[Target[Load]]
    clients: int = 20

    def server(self, name: str) -> Server:
        """The server with this name."""
        return next(server for server in self.servers if server.name == name)
