"""advanced-alchemy: `add_many` of its repository, which returns entities with their keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from sqlalchemy.ext.asyncio import async_sessionmaker

from benchmarks.data import Dataset
from benchmarks.engines import writing_engine
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.peer import RemarkRepository
from benchmarks.workloads.bulk.remarks import Remark, count_of, new_rows


@asynccontextmanager
async def _add_many(dataset: Dataset, *, keys: bool) -> AsyncIterator[Request]:
    rows = new_rows(count_of(dataset))
    engine = writing_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def request() -> list[int] | None:
        async with sessions.begin() as session:
            added = await RemarkRepository(session=session).add_many([Remark(**row) for row in rows])
            return [remark.id for remark in added] if keys else None

    try:
        yield request
    finally:
        await engine.dispose()


_WHAT = "advanced-alchemy's add_many of entities, and commit"
PEER = Stack("advanced_alchemy", _WHAT, partial(_add_many, keys=False), slow=True)
PEER_KEYS = Stack("advanced_alchemy_keys", _WHAT, partial(_add_many, keys=True), slow=True, case="keys")
