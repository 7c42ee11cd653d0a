"""What the network costs, measured as the rest is: a statement that reads nothing, on an open connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import make_url

from benchmarks.data import Dataset
from benchmarks.workload import Request, Stack


@asynccontextmanager
async def _select_1(dataset: Dataset) -> AsyncIterator[Request]:
    url = make_url(dataset.url)
    connection = await asyncpg.connect(
        host=url.query.get("host", url.host),
        port=url.port,
        user=url.username,
        password=url.password,
        database=url.database,
    )
    try:
        statement = await connection.prepare("SELECT 1")

        async def request() -> bytes:
            return b"[%d]" % await statement.fetchval()

        yield request
    finally:
        await connection.close()


SELECT_1 = Stack(
    "select_1",
    "SELECT 1, prepared, on one connection of asyncpg's: the round trip itself",
    _select_1,
    case="round trip",
)
