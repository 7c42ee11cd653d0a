"""An ASGI application behind a real server, in a thread, for clients that are not async."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    def __init__(self, app: ASGIApp) -> None:
        # Requests that are generated have long queries at times, which the server would hang up on.
        longest = {"http": "h11", "h11_max_incomplete_event_size": 4_000_000}
        super().__init__(uvicorn.Config(app, log_level="critical", lifespan="on", **longest))
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serves an application while the block runs, its lifespan included; gives its address."""
    server = _Server(app)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
        thread.start()
        try:
            server.ready.wait(timeout=30)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
