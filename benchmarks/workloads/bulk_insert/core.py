"""SQLAlchemy Core: executemany, and with keys asked back its insertmanyvalues."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa

from benchmarks.data import Dataset
from benchmarks.engines import writing_engine
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.remarks import TABLE, count_of, new_rows

INSERT = sa.insert(TABLE)
INSERT_RETURNING = sa.insert(TABLE).returning(TABLE.c.id, sort_by_parameter_order=True)


@asynccontextmanager
async def executemany(dataset: Dataset) -> AsyncIterator[Request]:
    """An INSERT with a list of dicts; the driver runs it for each."""
    rows = new_rows(count_of(dataset))
    engine = writing_engine(dataset)

    async def request() -> None:
        async with engine.begin() as connection:
            await connection.execute(INSERT, rows)

    try:
        yield request
    finally:
        await engine.dispose()


@asynccontextmanager
async def _insertmanyvalues(dataset: Dataset) -> AsyncIterator[Request]:
    rows = new_rows(count_of(dataset))
    engine = writing_engine(dataset)

    async def request() -> list[int]:
        async with engine.begin() as connection:
            return list((await connection.execute(INSERT_RETURNING, rows)).scalars())

    try:
        yield request
    finally:
        await engine.dispose()


EXECUTEMANY = Stack("core_executemany", "one Core INSERT with a list of dicts", executemany)
INSERTMANYVALUES = Stack(
    "core_insertmanyvalues",
    "the same with RETURNING in the order of the rows, which SQLAlchemy sends as VALUES of many rows",
    _insertmanyvalues,
    case="keys",
)
