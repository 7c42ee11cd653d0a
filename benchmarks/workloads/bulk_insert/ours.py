"""batchrepo: `insert_many` in a fresh scope, which makes a transaction and commits it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from batchrepo import Database
from benchmarks.data import Dataset
from benchmarks.workload import Request, Stack
from benchmarks.workloads.bulk.ours import RemarkRepository
from benchmarks.workloads.bulk.remarks import count_of, new_rows


@asynccontextmanager
async def insert_many(dataset: Dataset) -> AsyncIterator[Request]:
    """Nothing is asked back."""
    rows = new_rows(count_of(dataset))
    async with Database(dataset.url, repositories=[RemarkRepository]) as db:

        async def request() -> None:
            async with db.scope() as scope:
                await RemarkRepository(scope).insert_many(rows)

        yield request


@asynccontextmanager
async def _insert_many_keys(dataset: Dataset) -> AsyncIterator[Request]:
    rows = new_rows(count_of(dataset))
    async with Database(dataset.url, repositories=[RemarkRepository]) as db:

        async def request() -> list[Any]:
            async with db.scope() as scope:
                return (await RemarkRepository(scope).insert_many(rows, returning="keys")).rows

        yield request


OURS = Stack("batchrepo", "insert_many of a list of dicts in a fresh scope", insert_many)
OURS_KEYS = Stack("batchrepo_keys", 'the same with returning="keys"', _insert_many_keys, case="keys")
