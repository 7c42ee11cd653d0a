"""asyncpg by hand: COPY to a temporary table, then one UPDATE FROM it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from operator import itemgetter

from benchmarks.data import Dataset
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.connections import asyncpg_connection
from benchmarks.workloads.bulk.remarks import changed_rows, count_of

COLUMNS = ("id", "body", "score")
CREATE = "CREATE TEMPORARY TABLE changed (id integer, body text, score integer) ON COMMIT DROP"
UPDATE = (
    "UPDATE remark SET body = changed.body, score = changed.score FROM changed WHERE remark.id = changed.id"
)
_values = itemgetter(*COLUMNS)


@asynccontextmanager
async def _copy(dataset: Dataset) -> AsyncIterator[Request]:
    rows = changed_rows(count_of(dataset))
    async with asyncpg_connection(dataset) as connection:

        async def request() -> None:
            async with connection.transaction():
                await connection.execute(CREATE)
                await connection.copy_records_to_table("changed", records=map(_values, rows), columns=COLUMNS)
                await connection.execute(UPDATE)

        yield request


COPY = Stack("copy_update", "asyncpg's COPY to a temporary table and UPDATE FROM, by hand", _copy)
