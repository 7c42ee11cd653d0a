"""asyncpg by hand: COPY to a temporary table, then one INSERT from it with ON CONFLICT."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from operator import itemgetter

from benchmarks.data import Dataset
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.connections import asyncpg_connection
from benchmarks.workloads.bulk.remarks import FIELDS, count_of, keyed_rows

COLUMNS = ("id", *FIELDS)
CREATE = "CREATE TEMPORARY TABLE given (LIKE remark) ON COMMIT DROP"
UPSERT = f"""
    INSERT INTO remark ({", ".join(COLUMNS)}) SELECT {", ".join(COLUMNS)} FROM given
    ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in FIELDS)}"""
_values = itemgetter(*COLUMNS)


@asynccontextmanager
async def _copy(dataset: Dataset) -> AsyncIterator[Request]:
    rows = keyed_rows(count_of(dataset))
    async with asyncpg_connection(dataset) as connection:

        async def request() -> None:
            async with connection.transaction():
                await connection.execute(CREATE)
                await connection.copy_records_to_table("given", records=map(_values, rows), columns=COLUMNS)
                await connection.execute(UPSERT)

        yield request


COPY = Stack("copy_upsert", "asyncpg's COPY to a temporary table and INSERT with ON CONFLICT, by hand", _copy)
