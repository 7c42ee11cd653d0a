"""asyncpg's COPY, by hand: dicts to tuples, no SQLAlchemy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from operator import itemgetter

from benchmarks.data import Dataset
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.connections import asyncpg_connection
from benchmarks.workloads.bulk.remarks import FIELDS, count_of, new_rows

_values = itemgetter(*FIELDS)

DRAW = "SELECT array(SELECT nextval('remark_id_seq') FROM generate_series(1, $1::integer))"


@asynccontextmanager
async def _copy(dataset: Dataset) -> AsyncIterator[Request]:
    rows = new_rows(count_of(dataset))
    async with asyncpg_connection(dataset) as connection:

        async def request() -> None:
            async with connection.transaction():
                await connection.copy_records_to_table("remark", records=map(_values, rows), columns=FIELDS)

        yield request


@asynccontextmanager
async def _copy_keys(dataset: Dataset) -> AsyncIterator[Request]:
    rows = new_rows(count_of(dataset))
    columns = ("id", *FIELDS)
    async with asyncpg_connection(dataset) as connection:

        async def request() -> list[int]:
            async with connection.transaction():
                keys: list[int] = await connection.fetchval(DRAW, len(rows))
                records = ((key, *_values(row)) for key, row in zip(keys, rows, strict=True))
                await connection.copy_records_to_table("remark", records=records, columns=columns)
            return keys

        yield request


COPY = Stack("copy", "asyncpg's copy_records_to_table by hand", _copy)
COPY_KEYS = Stack(
    "copy_keys", "the same with keys that were drawn from the sequence before", _copy_keys, case="keys"
)
