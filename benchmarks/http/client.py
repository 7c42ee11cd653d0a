"""The client: some connections that ask as fast as they are answered. A process of its own.

It does as little as it can: requests are made beforehand, and of a response only the status and the length are looked
at. It takes about 30 us of CPU for a request, so that it is never what is measured; how busy it was is in its result.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from dataclasses import asdict, dataclass, field
from time import perf_counter, process_time

HANG_SECONDS = 30
"""How long after the end of a run a response may come; then the run fails."""


@dataclass(frozen=True)
class Order:
    """What a run is to do. It ends after some seconds, or after some requests, whichever comes first."""

    port: int
    paths: list[str]
    clients: int
    seconds: float
    requests: int


@dataclass
class Outcome:
    """What a run saw.

    Attributes:
        seconds: from its start to the last response.
        cpu: CPU seconds of the client.
        times: of each request, in ms.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    times: list[float] = field(default_factory=list)


class _Run:
    """The requests of all connections of a run."""

    def __init__(self, order: Order) -> None:
        head = "Host: 127.0.0.1\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n\r\n"
        self._requests = [f"GET {path} HTTP/1.1\r\n{head}".encode() for path in order.paths]
        self._most = order.requests
        self._end = perf_counter() + order.seconds
        self._sent = 0
        self.times: list[float] = []

    def next(self) -> bytes | None:
        """The next request; None if the run is over."""
        if self._sent >= self._most or perf_counter() >= self._end:
            return None
        request = self._requests[self._sent % len(self._requests)]
        self._sent += 1
        return request


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run, done: asyncio.Future[None]) -> None:
        self._run = run
        self._done = done
        self._received = bytearray()
        self._length = 0
        self._started = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._length:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            try:
                self._length = end + 4 + _body_length(bytes(self._received[:end]))
            except ValueError as error:
                self._finish(error)
                return
        if len(self._received) >= self._length:
            self._run.times.append((perf_counter() - self._started) * 1e3)
            self._received.clear()
            self._length = 0
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or ConnectionError("The server closed a connection."))

    def _ask(self) -> None:
        assert self._transport is not None
        request = self._run.next()
        if request is None:
            self._finish(None)
            self._transport.close()
        else:
            self._started = perf_counter()
            self._transport.write(request)

    def _finish(self, error: Exception | None) -> None:
        if self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)


def _body_length(head: bytes) -> int:
    """The length of the body, from the head of a response.

    Raises:
        ValueError: the status is not 200, or the length is not said.
    """
    status, *fields = head.split(b"\r\n")
    if status.split(b" ", 2)[1] != b"200":
        raise ValueError(f"Expected status 200; got {status.decode()!r}.")
    for line in fields:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("Expected a response with Content-Length.")


async def run(order: Order) -> Outcome:
    """Make the requests of a run.

    Raises:
        ValueError: a response is not what was expected.
        OSError: a connection failed.
        TimeoutError: the server hangs.
    """
    loop = asyncio.get_running_loop()
    started, cpu = perf_counter(), process_time()
    requests = _Run(order)
    async with asyncio.timeout(order.seconds + HANG_SECONDS):
        ends = [loop.create_future() for _ in range(order.clients)]
        await asyncio.gather(*(_connect(order.port, requests, end) for end in ends))
        await asyncio.gather(*ends)
    return Outcome(perf_counter() - started, process_time() - cpu, requests.times)


async def _connect(port: int, requests: _Run, end: asyncio.Future[None]) -> None:
    await asyncio.get_running_loop().create_connection(lambda: _Connection(requests, end), "127.0.0.1", port)


def main() -> None:
    """Make one run: the order comes as JSON on the standard input, the outcome goes to the standard output."""
    gc.disable()  # the collector would add its pauses to the latencies
    outcome = asyncio.run(run(Order(**json.load(sys.stdin))))
    json.dump(asdict(outcome), sys.stdout)


if __name__ == "__main__":
    main()
