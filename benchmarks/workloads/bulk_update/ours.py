"""batchrepo: `update_many` in a fresh scope, which makes a transaction and commits it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from batchrepo import Database
from benchmarks.data import Dataset
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.ours import RemarkRepository
from benchmarks.workloads.bulk.remarks import changed_rows, count_of


@asynccontextmanager
async def _update_many(dataset: Dataset) -> AsyncIterator[Request]:
    rows = changed_rows(count_of(dataset))
    async with Database(dataset.url, repositories=[RemarkRepository]) as db:

        async def request() -> None:
            async with db.scope() as scope:
                await RemarkRepository(scope).update_many(rows)

        yield request


OURS = Stack("batchrepo", "update_many of a list of dicts in a fresh scope", _update_many)
