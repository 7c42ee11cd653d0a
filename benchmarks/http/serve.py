"""The server process: one application of a workload behind uvicorn, on a port of its own of the loopback interface.

It says its port when it accepts connections, and ends when its standard input is closed.
"""

from __future__ import annotations

import gc
import socket
import sys
import threading

import uvicorn

from benchmarks.data import Dataset
from benchmarks.workloads.over_http import http_workload


class _Announced(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            # As in the other workloads: the modules' own objects are nothing that a request should pay for.
            gc.collect()
            gc.freeze()
            print(self.servers[0].sockets[0].getsockname()[1], flush=True)


def main(url: str, scale: str, workload_name: str, server_name: str) -> None:
    """Serve until the standard input is closed."""
    app = http_workload(workload_name).server(server_name).app(Dataset(url, float(scale)))
    # Pure Python, whatever else is installed: the same for all, and what `pip install uvicorn` gives.
    # uvicorn opens the port: on a socket from here asyncio would leave Nagle's algorithm on, 40 ms for each response.
    config = uvicorn.Config(
        app, "127.0.0.1", 0, loop="asyncio", http="h11", log_level="warning", access_log=False
    )
    server = _Announced(config)

    def wait() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=wait, daemon=True).start()
    server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
