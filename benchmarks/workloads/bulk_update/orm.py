"""The ORM: entities read, changed and flushed, and its bulk UPDATE by primary key without entities."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import async_sessionmaker

from benchmarks.data import Dataset
from benchmarks.engines import writing_engine
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.remarks import Remark, changed_rows, count_of


@asynccontextmanager
async def _flush(dataset: Dataset) -> AsyncIterator[Request]:
    rows = changed_rows(count_of(dataset))
    engine = writing_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    wanted = sa.select(Remark).where(
        Remark.id == sa.func.any(sa.bindparam("keys", type_=sa.ARRAY(sa.Integer)))
    )

    async def request() -> None:
        async with sessions.begin() as session:
            found = await session.scalars(wanted, {"keys": [row["id"] for row in rows]})
            remarks = {remark.id: remark for remark in found}
            for row in rows:
                remark = remarks[row["id"]]
                remark.body, remark.score = row["body"], row["score"]

    try:
        yield request
    finally:
        await engine.dispose()


@asynccontextmanager
async def _session_execute(dataset: Dataset) -> AsyncIterator[Request]:
    rows = changed_rows(count_of(dataset))
    engine = writing_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    statement = sa.update(Remark)

    async def request() -> None:
        async with sessions.begin() as session:
            await session.execute(statement, rows)

    try:
        yield request
    finally:
        await engine.dispose()


FLUSH = Stack("orm_flush", "entities read in one statement, changed and committed", _flush, slow=True)
SESSION_EXECUTE = Stack(
    "orm_session_execute", "session.execute(update(Entity), list of dicts)", _session_execute
)
