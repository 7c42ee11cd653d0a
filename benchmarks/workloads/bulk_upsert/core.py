"""SQLAlchemy Core: one INSERT with ON CONFLICT that the driver runs for each row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.dialects.postgresql import insert

from benchmarks.data import Dataset
from benchmarks.engines import writing_engine
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.remarks import FIELDS, TABLE, count_of, keyed_rows

_insert = insert(TABLE)
UPSERT = _insert.on_conflict_do_update(
    index_elements=["id"], set_={name: _insert.excluded[name] for name in FIELDS}
)


@asynccontextmanager
async def _executemany(dataset: Dataset) -> AsyncIterator[Request]:
    rows = keyed_rows(count_of(dataset))
    engine = writing_engine(dataset)

    async def request() -> None:
        async with engine.begin() as connection:
            await connection.execute(UPSERT, rows)

    try:
        yield request
    finally:
        await engine.dispose()


EXECUTEMANY = Stack("core_executemany", "one Core INSERT with ON CONFLICT and a list of dicts", _executemany)
