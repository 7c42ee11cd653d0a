"""advanced-alchemy: `upsert_many` of its repository."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import async_sessionmaker

from benchmarks.data import Dataset
from benchmarks.engines import writing_engine
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.peer import RemarkRepository
from benchmarks.workloads.bulk.remarks import Remark, count_of, keyed_rows


@asynccontextmanager
async def _upsert_many(dataset: Dataset) -> AsyncIterator[Request]:
    rows = keyed_rows(count_of(dataset))
    engine = writing_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def request() -> None:
        async with sessions.begin() as session:
            await RemarkRepository(session=session).upsert_many([Remark(**row) for row in rows])

    try:
        yield request
    finally:
        await engine.dispose()


PEER = Stack(
    "advanced_alchemy",
    "advanced-alchemy's upsert_many of entities, and commit",
    _upsert_many,
    slow=True,
)
