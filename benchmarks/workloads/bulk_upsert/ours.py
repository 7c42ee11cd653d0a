"""batchrepo: `upsert_many` in a fresh scope, which makes a transaction and commits it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from batchrepo import Database
from benchmarks.data import Dataset
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.ours import RemarkRepository
from benchmarks.workloads.bulk.remarks import count_of, keyed_rows


@asynccontextmanager
async def _upsert_many(dataset: Dataset) -> AsyncIterator[Request]:
    rows = keyed_rows(count_of(dataset))
    async with Database(dataset.url, repositories=[RemarkRepository]) as db:

        async def request() -> None:
            async with db.scope() as scope:
                await RemarkRepository(scope).upsert_many(rows)

        yield request


OURS = Stack("batchrepo", "upsert_many of a list of dicts in a fresh scope", _upsert_many)
