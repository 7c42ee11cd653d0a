"""Raw asyncpg by hand: one statement with ANY on its own pool, rows to dicts to Pydantic."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import TypeAdapter

from benchmarks.data import Dataset
from benchmarks.pools import asyncpg_pool
from benchmarks.workload import Request, Stack
from benchmarks.workloads.thousand_keys.views import PostLine, keys

BY_KEYS = "SELECT id, title, created_at, author_id FROM post WHERE id = ANY($1::int[])"


@asynccontextmanager
async def _raw(dataset: Dataset) -> AsyncIterator[Request]:
    wanted = keys(dataset)
    adapter = TypeAdapter(list[PostLine])
    async with asyncpg_pool(dataset) as pool:

        async def request() -> list[PostLine]:
            async with pool.acquire() as connection:
                found = {row[0]: dict(row) for row in await connection.fetch(BY_KEYS, wanted)}
            return adapter.validate_python([found[key] for key in wanted])

        yield request


RAW = Stack("raw_asyncpg", "one statement with ANY by raw asyncpg, rows to dicts to Pydantic", _raw)
