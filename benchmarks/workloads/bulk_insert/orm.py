"""The ORM: entities added to a session, and its bulk INSERT without entities."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import async_sessionmaker

from benchmarks.data import Dataset
from benchmarks.engines import writing_engine
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.remarks import Remark, count_of, new_rows


@asynccontextmanager
async def _add_all(dataset: Dataset, *, keys: bool) -> AsyncIterator[Request]:
    rows = new_rows(count_of(dataset))
    engine = writing_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def request() -> list[int] | None:
        async with sessions.begin() as session:
            remarks = [Remark(**row) for row in rows]
            session.add_all(remarks)
        return [remark.id for remark in remarks] if keys else None

    try:
        yield request
    finally:
        await engine.dispose()


@asynccontextmanager
async def _session_execute(dataset: Dataset) -> AsyncIterator[Request]:
    rows = new_rows(count_of(dataset))
    engine = writing_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    # Otherwise rows with a NULL are statements of their own.
    statement = sa.insert(Remark).execution_options(render_nulls=True)

    async def request() -> None:
        async with sessions.begin() as session:
            await session.execute(statement, rows)

    try:
        yield request
    finally:
        await engine.dispose()


_ADDED = "entities, add_all and commit"
ADD_ALL = Stack("orm_add_all", _ADDED, partial(_add_all, keys=False), slow=True)
ADD_ALL_KEYS = Stack("orm_add_all_keys", _ADDED, partial(_add_all, keys=True), slow=True, case="keys")
SESSION_EXECUTE = Stack(
    "orm_session_execute", "session.execute(insert(Entity), list of dicts)", _session_execute
)
