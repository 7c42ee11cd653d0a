"""1,000,000 rows from an asynchronous iterator into an empty table: `insert_many`, and COPY by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from operator import itemgetter

from batchrepo import Database
from benchmarks.data import Dataset
from benchmarks.memory.workload import Grown, MemoryWorkload, Write, Writer
from benchmarks.workload import Target
from benchmarks.workloads.bulk.connections import asyncpg_connection
from benchmarks.workloads.bulk.ours import RemarkRepository
from benchmarks.workloads.bulk.remarks import FIELDS, Row

_values = itemgetter(*FIELDS)


@asynccontextmanager
async def _insert_many(dataset: Dataset) -> AsyncIterator[Write]:
    async with Database(dataset.url, repositories=[RemarkRepository]) as db:

        async def write(rows: AsyncIterator[Row]) -> None:
            async with db.scope() as scope:
                await RemarkRepository(scope).insert_many(rows)

        yield write


@asynccontextmanager
async def _copy(dataset: Dataset) -> AsyncIterator[Write]:
    async with asyncpg_connection(dataset) as connection:

        async def write(rows: AsyncIterator[Row]) -> None:
            records = (_values(row) async for row in rows)
            async with connection.transaction():
                await connection.copy_records_to_table("remark", records=records, columns=FIELDS)

        yield write


OURS = Writer("batchrepo", "insert_many of an asynchronous iterator", _insert_many)
COPY = Writer("copy", "asyncpg's copy_records_to_table of an asynchronous iterator, by hand", _copy)


def _peak_of(writer: Writer) -> Target[Grown]:
    def peak(measured: dict[str, Grown]) -> float:
        return measured[writer.name].peak

    return Target(f"{writer.name} peak in MB", peak, at_most=200)


BULK_MEMORY = MemoryWorkload(
    name="bulk_memory",
    title="1,000,000 rows of an asynchronous iterator into an empty table",
    writers=(OURS, COPY),
    targets=(_peak_of(OURS),),
)

MEMORY_WORKLOADS = (BULK_MEMORY,)
