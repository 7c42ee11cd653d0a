"""A network's round trip in front of PostgreSQL: what passes is held back, each way. A process of its own.

It delays and does not throttle: every piece waits for the same time, however many are on their way.

It says its port when it accepts connections, and ends when its standard input is closed.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import threading
from collections import deque


class _Way(asyncio.Protocol):
    """One end of a connection. What it receives goes out at the other end, later."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._held: deque[bytes] = deque()  # b"" is the end
        self._transport: asyncio.Transport | None = None
        self.other: _Way | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._hold(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # the other end only learns that it is over
        self._hold(b"")

    def _hold(self, data: bytes) -> None:
        # Pieces leave in the order of their arrival, whichever timer is first: each takes the next one.
        self._held.append(data)
        self._loop.call_later(self._seconds, self._pass_on)

    def _pass_on(self) -> None:
        data = self._held.popleft()
        assert self.other is not None
        self.other.send(data)

    def send(self, data: bytes) -> None:
        """What has arrived at the other end, and waited."""
        assert self._transport is not None
        if data:
            self._transport.write(data)
        else:
            self._transport.close()


class _FromClient(_Way):
    """The end at the client: connects to the server before it reads."""

    def __init__(self, seconds: float, server: str) -> None:
        super().__init__(seconds)
        self._server = server
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self._transport is not None
        self._transport.pause_reading()
        self._connecting = self._loop.create_task(self._connect(self._transport))

    async def _connect(self, transport: asyncio.Transport) -> None:
        def made() -> _Way:
            self.other = _Way(self._seconds)
            self.other.other = self
            return self.other

        try:
            await self._loop.create_unix_connection(made, self._server)
        except OSError:
            transport.abort()
            raise
        transport.resume_reading()


async def serve(seconds: float, server: str, until: asyncio.Event) -> None:
    """Pass connections on to a server, and hold back what they carry.

    Args:
        seconds: for how long, each way.
        server: the path of its Unix socket.
        until: when to end.
    """
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: _FromClient(seconds, server), "127.0.0.1", 0)
    async with listening:
        print(listening.sockets[0].getsockname()[1], flush=True)
        await until.wait()


def main(milliseconds: str, server: str) -> None:
    """Serve until the standard input is closed."""

    async def until_closed() -> None:
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def wait() -> None:
            sys.stdin.read()
            loop.call_soon_threadsafe(closed.set)

        threading.Thread(target=wait, daemon=True).start()
        await serve(float(milliseconds) / 1e3, server, closed)

    # epoll counts in whole milliseconds, which is more than what is to be held back; select does not.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(until_closed())


if __name__ == "__main__":
    main(*sys.argv[1:])
