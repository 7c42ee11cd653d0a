"""The database of the benchmarks behind a network: the same one, through a process that holds back what passes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import make_url

from benchmarks.data import Dataset
from benchmarks.workload import Ground

EACH_WAY_MS = 0.5
"""How long a piece is held back on its way to the server, and on its way back: a round trip of 1 ms."""


@asynccontextmanager
async def behind_a_network(dataset: Dataset, each_way: float = EACH_WAY_MS) -> AsyncIterator[Ground]:
    """The ground of requests to a server at some distance.

    Args:
        dataset: of a server that listens on a Unix socket.
        each_way: how many ms a piece is held back each way.

    Raises:
        RuntimeError: the process in between did not start.
    """
    url = make_url(dataset.url)
    folder, port = url.query.get("host"), url.port or 5432
    if not isinstance(folder, str):
        raise TypeError(f"Expected a server on a Unix socket; got {url.render_as_string()}.")
    socket = Path(folder) / f".s.PGSQL.{port}"
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.network.proxy", str(each_way), str(socket)),
        stdin=pipe,
        stdout=pipe,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        said = (await process.stdout.readline()).strip()
        if not said.isdigit():
            raise RuntimeError(f"The process between client and {socket} did not start.")
        near = url.set(host="127.0.0.1", port=int(said), query={})
        yield Ground(replace(dataset, url=near.render_as_string(hide_password=False)))
    finally:
        process.stdin.close()
        await process.wait()
