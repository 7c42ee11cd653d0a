"""SQLAlchemy Core: one UPDATE that the driver runs for each row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa

from benchmarks.data import Dataset
from benchmarks.engines import writing_engine
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.remarks import TABLE, changed_rows, count_of

UPDATE = (
    sa.update(TABLE)
    .where(TABLE.c.id == sa.bindparam("key"))
    .values(body=sa.bindparam("body"), score=sa.bindparam("score"))
)


@asynccontextmanager
async def _executemany(dataset: Dataset) -> AsyncIterator[Request]:
    # A name of a column cannot be that of a parameter in WHERE; renaming it is not measured.
    rows = [
        {"key": row["id"], "body": row["body"], "score": row["score"]}
        for row in changed_rows(count_of(dataset))
    ]
    engine = writing_engine(dataset)

    async def request() -> None:
        async with engine.begin() as connection:
            await connection.execute(UPDATE, rows)

    try:
        yield request
    finally:
        await engine.dispose()


EXECUTEMANY = Stack("core_executemany", "one Core UPDATE with a list of dicts", _executemany)
